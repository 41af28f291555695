"""What an experiment says: its arms first, then the metric that it was made for, its guardrails, and the words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np

from experiments.models import ExperimentArm, ExperimentEvent, GuardrailMetric, PriceExperiment
from experiments.selectors.analysis_plans import analysis_plan, is_paired
from experiments.selectors.arm_moments import measured_metrics
from experiments.selectors.days_not_served import days_not_served
from experiments.selectors.experiment_arms import READ_FROM_SALES
from experiments.selectors.experiment_looks import (
    ArmSums,
    SumsByDay,
    arm_sums,
    day_number,
    day_of,
    last_whole_day,
    looks_from_sums,
)
from experiments.selectors.unit_looks import paired_looks, slot_looks, unit_paths
from experiments.selectors.units_without_cost import units_without_cost
from experiments.stats.inference import (
    AnalysisPlan,
    Guardrail,
    GuardrailResult,
    Look,
    Readout,
    adjusted_p_values,
    analyse,
    check_guardrail,
    estimate_of,
    sentence,
)
from experiments.stats.inference.progress import progress_of

Design = PriceExperiment.Design
Looks = dict[int, list[Look]]
FIRST_OF = ("srm", "guardrail", "benefit", "continue", "finished", "futility", "harm")
"""Of several arms: what is true of the experiment. It goes on while one arm may still be shown to be better."""


@dataclass(frozen=True)
class ArmReadout:
    """One arm against the control. ``by_metric``: all metrics, the primary one first; ``corrected``: their p-values
    corrected (Holm) over all metrics and arms of the experiment."""

    arm: ExperimentArm
    primary: Readout
    by_metric: Mapping[str, Readout]
    corrected: Mapping[str, float]


@dataclass(frozen=True)
class ExperimentReadout:
    """All that a page, an API or a stored entry says. ``arms``: none while no whole day is known of two arms.

    ``without_cost``: units that are left out, as profit is measured and a listing of theirs has no cost.
    ``days_not_served``: days of a listing on which a person's price or a kill switch came before its arm.
    """

    experiment: PriceExperiment
    at: datetime
    decision: str
    sentence: str
    all_arms: Sequence[ExperimentArm]
    until: date | None = None
    day: int = 0
    arms: list[ArmReadout] = field(default_factory=list)
    leading: ArmReadout | None = None
    totals: Mapping[int, ArmSums] = field(default_factory=dict)
    crossovers: int = 0
    without_cost: int = 0
    days_not_served: int = 0

    @property
    def breached(self) -> list[str]:
        """The guardrail metrics that are surely hurt by more than is tolerated, in any arm."""
        names = [rail.name for each in self.arms for rail in each.primary.guardrails if rail.breached]
        return list(dict.fromkeys(names))


def readout_for(*, experiment: PriceExperiment, at: datetime) -> ExperimentReadout:
    """Read an experiment by its plan, from the facts of whole days before ``at``.

    One query sums up every arm by day, however many exposures there were; matched pairs and slots take a second one,
    with a row a unit. Each day is a look, whoever looks: to look again costs nothing.
    """
    arms = list(experiment.arms.order_by("position"))
    if experiment.started_at is None:
        return ExperimentReadout(experiment, at, "continue", "It has not started yet.", arms)
    until = last_whole_day(experiment, at)
    metrics = measured_metrics(experiment)
    sums = arm_sums(arms, until)
    looks = _looks(experiment, arms, sums, metrics, until)
    readable = [arm for arm in arms[1:] if looks[metrics[0]].get(arm.pk)]
    if not readable:
        return ExperimentReadout(
            experiment,
            at,
            "continue",
            _waiting(experiment),
            arms,
            crossovers=_crossed(experiment),
            without_cost=units_without_cost(experiment),
        )
    return _read(experiment, at, arms, readable, looks, sums)


def _looks(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], sums: SumsByDay, metrics: Sequence[str], until: date
) -> dict[str, Looks]:
    """Return the looks at each arm by metric."""
    nothing: dict[str, Looks] = {metric: {} for metric in metrics}
    if not sums.days:
        return nothing
    paired = is_paired(experiment)
    if not paired and experiment.design != Design.SWITCHBACK:
        return nothing | {metric: looks_from_sums(experiment, arms, sums, metric) for metric in metrics}
    paths = unit_paths(experiment, metrics, until, sums.days[0])
    looks_of = paired_looks if paired else slot_looks
    return nothing | {metric: looks_of(own, arms, metric) for metric, own in paths.items()}


def _read(
    experiment: PriceExperiment,
    at: datetime,
    arms: Sequence[ExperimentArm],
    readable: Sequence[ExperimentArm],
    looks: Mapping[str, Looks],
    sums: SumsByDay,
) -> ExperimentReadout:
    rails = {arm.pk: _guardrails(experiment, arms, arm, looks) for arm in readable}
    with np.errstate(all="ignore"):
        found = {
            (arm.pk, metric): analyse(
                _plan(experiment, arms, metric, of_metric[arm.pk], is_primary=at_metric == 0),
                of_metric[arm.pk],
                guardrails=rails[arm.pk] if at_metric == 0 else (),
            )
            for at_metric, (metric, of_metric) in enumerate(looks.items())
            for arm in readable
            if of_metric.get(arm.pk)
        }
    read = _by_arm(readable, next(iter(looks)), found)
    leading = min(read, key=lambda each: (FIRST_OF.index(each.primary.decision), -_size(each)))
    number = max(
        [day_number(experiment, sums.days[-1]), *(look.day for each in read for look in each.primary.looks[-1:])]
    )
    return ExperimentReadout(
        experiment=experiment,
        at=at,
        decision=leading.primary.decision,
        sentence=_in_words(leading, several=len(arms) > 2),
        all_arms=arms,
        until=day_of(experiment, number),
        day=number,
        arms=read,
        leading=leading,
        totals={arm.pk: sums.of(arm.pk, next(iter(looks)), sums.days[-1]) for arm in arms},
        crossovers=_crossed(experiment),
        without_cost=units_without_cost(experiment),
        days_not_served=days_not_served(experiment, day_of(experiment, number)),
    )


def _plan(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], metric: str, looks: Sequence[Look], *, is_primary: bool
) -> AnalysisPlan:
    """Return a metric's plan; the arms share the alpha of the primary one, so that their intervals hold together."""
    plan = analysis_plan(experiment, arms, metric, looks)
    return replace(plan, comparisons=len(arms) - 1) if is_primary else plan


def _guardrails(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], arm: ExperimentArm, looks: Mapping[str, Looks]
) -> list[GuardrailResult]:
    """Test each guardrail one-sided at every look; they share alpha, so that a harmless arm is seldom stopped."""
    rails = list(GuardrailMetric.objects.filter(experiment=experiment).order_by("pk"))
    alpha = float(experiment.alpha) / max(len(rails) * (len(arms) - 1), 1)
    found = []
    for rail in rails:
        series = looks[rail.metric].get(arm.pk)
        if not series:
            continue
        plan = analysis_plan(experiment, arms, rail.metric, series)
        with np.errstate(all="ignore"):
            estimates = [estimate_of(plan, look, relative=True) for look in series]
            progress = progress_of(plan, series, estimates).tuned.tolist() if plan.is_clustered else None
            guardrail = Guardrail(rail.get_metric_display().split(":")[0], float(rail.tolerated_loss), alpha=alpha)
            found.append(check_guardrail(guardrail, estimates, progress=progress))
    return found


def _by_arm(arms: Sequence[ExperimentArm], primary: str, found: Mapping[tuple[int, str], Readout]) -> list[ArmReadout]:
    known = {key: each.p_value for key, each in found.items() if each.p_value is not None}
    corrected = dict(zip(known, adjusted_p_values(list(known.values())).tolist(), strict=True))
    return [
        ArmReadout(
            arm,
            found[arm.pk, primary],
            {metric: each for (pk, metric), each in found.items() if pk == arm.pk},
            {metric: p for (pk, metric), p in corrected.items() if pk == arm.pk},
        )
        for arm in arms
    ]


def _size(each: ArmReadout) -> float:
    effect = each.primary.effect
    return effect if np.isfinite(effect) else 0.0


def _in_words(leading: ArmReadout, *, several: bool) -> str:
    words = sentence(leading.primary)
    is_of_one_arm = leading.primary.decision in ("benefit", "harm", "guardrail")
    return f"{leading.arm.name}: {words}" if several and is_of_one_arm else words


def _waiting(experiment: PriceExperiment) -> str:
    if experiment.design not in READ_FROM_SALES:
        return "Too early to say: no whole day with exposures of two arms is known yet."
    return "Too early to say: no sales of a whole day under its prices are known yet."


def _crossed(experiment: PriceExperiment) -> int:
    return ExperimentEvent.objects.filter(experiment=experiment, is_crossover=True).count()
