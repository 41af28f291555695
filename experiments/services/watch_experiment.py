"""Look after an experiment that runs: its facts, its read-out of the day, and the guardrails that stop it."""

import logging
from datetime import datetime

from experiments.models import PriceExperiment
from experiments.selectors.readouts import ExperimentReadout
from experiments.services.lifecycle import WrongState
from experiments.services.record_readout import record_readout
from experiments.services.refresh_experiment_facts import refresh_experiment_facts
from experiments.services.stop_experiment import stop_experiment

logger = logging.getLogger(__name__)

WATCH = "the watch over guardrail metrics"


def watch_experiment(*, experiment: PriceExperiment, now: datetime) -> ExperimentReadout:
    """Refresh the facts, keep the day's read-out, and stop the experiment where a guardrail is surely hurt.

    A boundary that was crossed for benefit, harm or futility is said, and a person decides. Each step commits by
    itself and is done anew by the next call, so that a crash between them is made good.
    """
    refresh_experiment_facts(experiment=experiment, now=now)
    found = record_readout(experiment=experiment, now=now)
    if found.breached and experiment.status == PriceExperiment.Status.RUNNING:
        hurt = " and ".join(found.breached)
        reason = f"Guardrail: {hurt} is surely hurt by more than is tolerated (day {found.day})."
        try:
            stop_experiment(experiment=experiment.pk, by=WATCH, reason=reason, now=now)
            logger.warning("Experiment %s was stopped. %s", experiment.code, reason)
        except WrongState:
            logger.info("Experiment %s was stopped meanwhile.", experiment.code)
    return found
