"""What running experiments said last, for those who watch over many."""

from dataclasses import dataclass
from datetime import date

from experiments.models import PriceExperiment, ReadoutEntry


@dataclass(frozen=True)
class LastReadout:
    """The newest kept read-out of a running experiment. ``srm_p_value``: None where the arms' shares are not tested."""

    code: str
    day: date
    decision: str
    crossovers: int
    srm_p_value: float | None


def last_readouts() -> list[LastReadout]:
    """Return the newest read-out of every experiment that runs and was read, in one query."""
    running = ReadoutEntry.objects.filter(experiment__status=PriceExperiment.Status.RUNNING)
    newest = running.order_by("experiment", "-day").distinct("experiment").select_related("experiment")
    return [
        LastReadout(
            code=entry.experiment.code,
            day=entry.day,
            decision=entry.decision,
            crossovers=entry.figures["crossovers"],
            srm_p_value=(entry.figures["srm"] or {}).get("p_value"),
        )
        for entry in newest
    ]
