"""The plan of an experiment in the words of its statistics."""

from collections.abc import Sequence
from typing import Any

from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.arm_moments import Metric
from experiments.stats.inference import AnalysisPlan, Look, estimate_of

Design, Method, Matching = PriceExperiment.Design, PriceExperiment.Method, PriceExperiment.Matching

METHODS = {
    Method.SPENDING: "group_sequential",
    Method.ALWAYS_VALID: "always_valid",
    Method.BAYESIAN: "bayesian",
    Method.FIXED: "fixed",
}
SPENDINGS: dict[str, tuple[str, float | None]] = {
    PriceExperiment.Spending.OBRIEN_FLEMING: ("obrien_fleming", None),
    PriceExperiment.Spending.POCOCK: ("pocock", None),
    PriceExperiment.Spending.POWER_3: ("power", 3.0),
}
PRIOR_SD = 0.3
"""Of a relative effect: what is usual in practice (GrowthBook's proper prior), 3 of 10 price tests beyond ±30 %."""


def is_paired(experiment: PriceExperiment) -> bool:
    return experiment.design == Design.SKU and experiment.matching == Matching.PAIRS


def analysis_plan(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], metric: str, looks: Sequence[Look]
) -> AnalysisPlan:
    """Return how one metric is analysed; effects are differences in the metric's unit.

    What the plan states as shares of the control's metric, the least effect that matters and the prior's spread, is
    turned into that unit by the control's mean at the last look; neither bears on error rates of a test.
    """
    kind = _kind(experiment, metric)
    fields: dict[str, Any] = {
        "method": METHODS[Method(experiment.method)],
        "metric": kind,
        "unit": "visitor" if experiment.design == Design.VISITOR else "cluster",
        "cuped": kind == "mean" and _has_covariate(looks),
        "alpha": float(experiment.alpha),
        "planned_days": experiment.horizon_days,
        "expected_shares": tuple(arm.share / sum(each.share for each in arms) for arm in arms),
    }
    fields["spending"], fields["spending_parameter"] = SPENDINGS[experiment.spending]
    level = _control_mean(AnalysisPlan(**fields), looks)
    if level:
        fields["minimum_effect"] = float(experiment.minimum_effect) * level
        fields["prior_sd"] = PRIOR_SD * level if experiment.method == Method.BAYESIAN else None
    return AnalysisPlan(**fields)


def _kind(experiment: PriceExperiment, metric: str) -> str:
    if experiment.design == Design.SWITCHBACK:
        return "switchback"
    if is_paired(experiment):
        return "paired"
    return "ratio" if metric == Metric.REVENUE_PER_ORDER else "mean"


def _has_covariate(looks: Sequence[Look]) -> bool:
    moments = [each for look in looks[-1:] for each in (look.control, look.treatment) if each is not None]
    return any(each.sum_x2 > 0 for each in moments)


def _control_mean(plan: AnalysisPlan, looks: Sequence[Look]) -> float:
    mean = abs(float(estimate_of(plan, looks[-1]).control_mean)) if looks else 0.0
    return mean if mean > 0 else 0.0
