"""Look after an experiment that runs: its facts, its read-out of the day, and the guardrails that stop it."""

import logging
from datetime import datetime

from catalog.selectors.arms_below_cost import arms_below_cost
from experiments.models import PriceExperiment
from experiments.selectors.readouts import ExperimentReadout
from experiments.services.lifecycle import Status, WrongState
from experiments.services.record_readout import record_readout
from experiments.services.refresh_experiment_facts import refresh_experiment_facts
from experiments.services.stop_experiment import stop_experiment

logger = logging.getLogger(__name__)

WATCH = "the watch over guardrail metrics"
COST_WATCH = "the watch over costs"
SKUS_TOLD = 3


def watch_experiment(*, experiment: PriceExperiment, now: datetime) -> ExperimentReadout:
    """Refresh the facts, keep the day's read-out, and stop what sells below cost or surely hurts a guardrail.

    Costs come first: a loss does not wait for what is read. A boundary that was crossed for benefit, harm or futility
    is said, and a person decides. Each step commits by itself and is done anew by the next call, so that a crash
    between them is made good.
    """
    if experiment.status == Status.RUNNING and (loss := _loss(experiment, now)):
        _stop(experiment, COST_WATCH, loss, now)
    refresh_experiment_facts(experiment=experiment, now=now)
    found = record_readout(experiment=experiment, now=now)
    if found.breached and experiment.status == Status.RUNNING:
        hurt = " and ".join(found.breached)
        reason = f"Guardrail: {hurt} is surely hurt by more than is tolerated (day {found.day})."
        _stop(experiment, WATCH, reason, now)
    return found


def _loss(experiment: PriceExperiment, now: datetime) -> str:
    """Return which arms sell below today's cost, in words; nothing where none does."""
    below = arms_below_cost(channel=experiment.channel, experiment=experiment.code, now=now)
    arms = [
        f"arm {arm} is below the unit cost of {len(skus):,} listings ({', '.join(skus[:SKUS_TOLD])}"
        f"{', …' if len(skus) > SKUS_TOLD else ''})"
        for arm, skus in below.items()
    ]
    return f"Loss floor: {'; '.join(arms)}." if arms else ""


def _stop(experiment: PriceExperiment, by: str, reason: str, now: datetime) -> None:
    try:
        stop_experiment(experiment=experiment.pk, by=by, reason=reason, now=now)
        logger.warning("Experiment %s was stopped. %s", experiment.code, reason)
    except WrongState:
        logger.info("Experiment %s was stopped meanwhile.", experiment.code)
    experiment.refresh_from_db()
