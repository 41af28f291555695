"""What a drawn experiment can find, how long it takes, and what substitutes would do to it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from django.conf import settings
from django.utils.module_loading import import_string
from numpy.typing import NDArray
from scipy import stats

from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.listing_history import KNOWN_METRICS, MOST_PANEL_UNITS
from experiments.services.draw_units import MATCH_DAYS, Design, Draw
from experiments.stats.designs.clusters import draw_clusters
from experiments.stats.designs.duration import (
    Question,
    cluster_design_effect,
    days_needed,
    history_of,
    precision,
    slot_error,
    unit_error,
)
from experiments.stats.designs.hashing import Ints, points
from experiments.stats.designs.interference import Substitutes, interference, same_category_pairs
from experiments.stats.inference.confidence_sequence import sequence_multiplier
from experiments.stats.inference.power import inflation_factor

Method = PriceExperiment.Method
Spending = PriceExperiment.Spending

DAY_SECONDS: Final = 86_400
OPEN_HORIZON_DAYS: Final = 28
"""What the power of an experiment without a horizon is stated for."""

MOST_LOOKS: Final = 12
"""More looks than these cost hardly more: their price is worked out for so many."""

BIAS_BOUND: Final = 0.5
"""A bias above this share of the smallest effect worth finding makes a design unfit."""

FAMILIES: Final = {
    Spending.OBRIEN_FLEMING: ("obrien_fleming", None),
    Spending.POCOCK: ("pocock", None),
    Spending.POWER_3: ("power", 3.0),
}

Foresight = dict[str, Any]
LearnedPairs = Callable[[Any], NDArray[Any] | None]


def shared_alpha(experiment: PriceExperiment, arms: Sequence[ExperimentArm]) -> float:
    """Return the alpha of one arm against the control: the read-out has the arms share the experiment's."""
    return float(experiment.alpha) / max(len(arms) - 1, 1)


def looks_cost(experiment: PriceExperiment, alpha: float) -> float:
    """Return how many times more units the method's looks need than a single one at the end, at an arm's alpha."""
    power = float(experiment.power)
    if experiment.method == Method.SPENDING:
        looks = min(max(experiment.horizon_days or 1, 1), MOST_LOOKS)
        family, parameter = FAMILIES[Spending(experiment.spending)]
        time = (np.arange(looks) + 1) / looks
        return inflation_factor(time.tolist(), alpha=alpha, power=power, family=family, parameter=parameter)
    if experiment.method == Method.ALWAYS_VALID:
        reach, z_power = float(sequence_multiplier(1.0, alpha)), float(stats.norm.ppf(power))
        return float(((reach + z_power) / (stats.norm.isf(alpha / 2) + z_power)) ** 2)
    return 1.0


def foresee_precision(experiment: PriceExperiment, arms: Sequence[ExperimentArm], draw: Draw) -> Foresight:
    """Return power, detectable effect and days needed, or ``unknown``: why the history cannot say."""
    days = experiment.horizon_days or OPEN_HORIZON_DAYS
    alpha = shared_alpha(experiment, arms)
    asked = Question(float(experiment.minimum_effect), alpha, float(experiment.power), looks_cost(experiment, alpha))
    try:
        error, found = _error(experiment, arms, draw)
    except ValueError as problem:
        return {"unknown": str(problem)}
    at_horizon = precision(error, asked, days)
    return {
        "horizon_days": days,
        "power": round(at_horizon.power, 4),
        "detectable_effect": round(at_horizon.detectable_effect, 4),
        "days_needed": days_needed(error, asked),
        "looks_cost": round(asked.inflation, 4),
    } | found


def _error(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], draw: Draw
) -> tuple[Callable[[float], float], Foresight]:
    if experiment.metric not in KNOWN_METRICS:
        raise ValueError("Sales by day hold neither exposures nor orders: how this metric varies is not known.")
    if draw.history.last_day is None:
        raise ValueError("The channel has no sales by day: import them first.")
    if experiment.design == Design.SWITCHBACK:
        assert experiment.slot_seconds is not None  # a constraint of the table
        smallest = min(arm.share for arm in arms) / 10_000
        counted = 1 - experiment.washout_seconds / experiment.slot_seconds
        error = slot_error(
            draw.history.totals(), slots_a_day=DAY_SECONDS / experiment.slot_seconds, counted=counted, share=smallest
        )
        return error, {"unit": "slot"}
    if experiment.design not in {Design.SKU, Design.CATEGORY}:
        raise ValueError("The shop's history does not say who bought where: how regions or visitors vary is not known.")
    return _listing_error(experiment, arms, draw)


def _listing_error(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], draw: Draw
) -> tuple[Callable[[float], float], Foresight]:
    order = np.argsort(points(experiment.salt, draw.listings.skus), kind="stable")
    chosen = np.sort(order[:MOST_PANEL_UNITS])
    history = history_of(draw.history.panel(chosen.tolist()), draw.listings.categories[chosen])
    counts = np.bincount(draw.arms, minlength=len(arms))
    covariate_days = experiment.cuped_days or (MATCH_DAYS if experiment.matching == "pairs" else 0)
    effect = 1.0
    if experiment.design == Design.CATEGORY:
        effect = cluster_design_effect(np.unique(draw.clusters, return_counts=True)[1], history.cluster_correlation)
    error = unit_error(
        history,
        control=float(counts[0]),
        treatment=float(counts[1:].min()),
        covariate_days=covariate_days,
        design_effect=effect,
    )
    days = experiment.horizon_days or OPEN_HORIZON_DAYS
    return error, {
        "unit": "category" if experiment.design == Design.CATEGORY else "listing",
        "history_until": str(draw.history.last_day),
        "mean_a_day": round(history.mean, 4),
        "lasting": round(history.lasting, 4),
        "day_correlation": round(history.day_correlation, 4),
        "covariate_correlation": round(history.cuped_correlation(days, covariate_days), 4),
        "cluster_correlation": round(history.cluster_correlation, 4),
        "design_effect": round(effect, 4),
    }


def foresee_interference(experiment: PriceExperiment, arms: Sequence[ExperimentArm], draw: Draw) -> Foresight:
    """Return what substitutes in other arms would do to the estimate, here and where categories are drawn instead.

    Pairs are those that were learned from cross-price effects; where none ever were, all listings of a category.
    """
    if experiment.design not in {Design.SKU, Design.CATEGORY} or not len(draw.listings):
        return {"source": "none", "why": "everybody sees all prices of one arm"}
    pairs, source = _pairs(experiment, draw)
    bound = BIAS_BOUND * float(experiment.minimum_effect)
    here = _judged(pairs, draw.arms, arms, draw.before, bound)
    found: Foresight = {"source": source, "pairs": len(np.asarray(pairs.unit)), "bound": round(bound, 4), "here": here}
    if experiment.design == Design.SKU:
        split = _category_split(experiment, arms, draw)
        found["by_category"] = None if split is None else _judged(pairs, split, arms, draw.before, bound)
    other = found.get("by_category")
    better = other is not None and abs(other["bias"]) < abs(here["bias"])
    found["proposal"] = "category" if not here["is_fit"] and better else None
    return found


def _judged(
    pairs: Substitutes, drawn: Ints, arms: Sequence[ExperimentArm], before: NDArray[np.float64], bound: float
) -> Foresight:
    """Return the worst arm's interference, and whether its bias is within the bound."""
    changes = [float(arm.price_change) for arm in arms]
    weights = before.clip(min=0) + 1e-9  # listings that sold nothing count a little, so that no arm is empty
    found = [
        interference(pairs, arms=drawn, changes=changes, weights=weights, arm=position)
        for position in range(1, len(arms))
        if (drawn == position).any() and (drawn == 0).any()
    ]
    if not found:
        return {"exposed_share": 0.0, "bias": 0.0, "estimated_spill": 0.0, "true_spill": 0.0, "is_fit": True}
    worst = max(found, key=lambda each: abs(each.bias))
    return {name: round(value, 4) for name, value in asdict(worst).items()} | {"is_fit": abs(worst.bias) <= bound}


def _pairs(experiment: PriceExperiment, draw: Draw) -> tuple[Substitutes, str]:
    learned_pairs: LearnedPairs = import_string(settings.EXPERIMENT_SUBSTITUTES)
    learned = learned_pairs(experiment.channel)
    if learned is None:
        return same_category_pairs(draw.listings.categories, draw.before), "same_category"
    ids = np.array(draw.listings.ids, dtype=np.int64)
    known = np.isin(learned["listing"], ids) & np.isin(learned["other"], ids)
    unit, other = (np.searchsorted(ids, learned[name][known]) for name in ("listing", "other"))
    return Substitutes(unit, other, learned["mean"][known]), "learned"


def _category_split(experiment: PriceExperiment, arms: Sequence[ExperimentArm], draw: Draw) -> Ints | None:
    codes = draw.listings.category_codes
    if len(set(codes)) < len(arms):
        return None
    return draw_clusters(experiment.salt, codes, draw.before, [arm.share for arm in arms]).arms
