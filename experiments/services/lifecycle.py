"""What the services of an experiment's life share: its lock, and what they refuse."""

from collections.abc import Sequence

from experiments.experiment_version import version_of
from experiments.models import PriceExperiment

Status = PriceExperiment.Status


class WrongState(ValueError):
    """The experiment is not where it would have to be for this step; the message says where it is."""

    def __init__(self, experiment: PriceExperiment, wanted: Sequence[Status]) -> None:
        self.status = experiment.status
        needed = " or ".join(status.label for status in wanted)
        super().__init__(f"Experiment {experiment.code} is {experiment.get_status_display()}: it must be {needed}.")


class CannotRun(ValueError):
    """The plan has faults with which the experiment may not be submitted or started; ``problems`` says each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(problems))


class NeedsSecondPerson(PermissionError):
    """An approval policy wants somebody else to start it than who asked for it."""

    def __init__(self, listings: int) -> None:
        super().__init__(
            f"{listings:,} of its listings have a price above their approval policy: somebody else than who drafted or "
            "submitted it must start it, as a person."
        )


class ChangedMeanwhile(ValueError):
    """It is no more what somebody looked at."""


def locked_experiment(experiment: int, *wanted: Status, seen: str | None = None) -> PriceExperiment:
    """Return an experiment by key, locked until the transaction ends; ``seen``: the version that was looked at.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it is in none of the wanted states.
        ChangedMeanwhile: it has another version by now.
    """
    row = (
        PriceExperiment.objects.select_for_update(of=("self",))
        .select_related("channel", "layer", "category", "promoted_arm")
        .get(pk=experiment)
    )
    if row.status not in wanted:
        raise WrongState(row, wanted)
    if seen is not None and seen != version_of(row):
        raise ChangedMeanwhile(f"Experiment {row.code} changed since you looked: look again.")
    return row
