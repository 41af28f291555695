from datetime import datetime

from experiments.models import PriceExperiment, ReadoutEntry
from experiments.selectors.readout_figures import figures_of
from experiments.selectors.readouts import ExperimentReadout, readout_for


def record_readout(*, experiment: PriceExperiment, now: datetime) -> ExperimentReadout:
    """Read an experiment and keep what was said of its last whole day; return what is said now.

    A day is kept once, as it was first said: a second reading, or late data, leaves the entry as it is.
    """
    found = readout_for(experiment=experiment, at=now)
    if found.until is not None:
        said = {"decision": found.decision, "sentence": found.sentence, "figures": figures_of(found), "read_at": now}
        ReadoutEntry.objects.get_or_create(experiment=experiment, day=found.until, defaults=said)
    return found
