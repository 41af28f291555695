"""Plan an experiment: who would get which price, what it can find, how long it takes, and what speaks against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
from django.db import transaction

from catalog.arms import SHARES
from catalog.plain_words import refusal_words
from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.experiment_arms import READ_FROM_SALES
from experiments.services.draw_units import Design, Draw, Matching, draw_units
from experiments.services.foresee import Foresight, foresee_interference, foresee_precision
from experiments.services.lifecycle import Status, locked_experiment
from experiments.stats.designs.matched_pairs import standardised_differences

Metric = PriceExperiment.Metric

PLAN_VERSION: Final = 1
SKUS_TOLD: Final = 20
PAIRS_TOLD: Final = 200
COVARIATES: Final = ("level", "trend", "price")
BALANCED: Final = 0.1
LEAST_UNITS: Final = 2

REGISTERED: Final = (
    "design", "matching", "metric", "method", "spending", "horizon_days", "minimum_effect", "alpha", "power",
    "cuped_days", "winsor_quantile", "slot_seconds", "washout_seconds", "hypothesis",
)  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """A plan as it is stored, JSON-able, and the draw that it describes; no draw where there was nothing to draw."""

    plan: dict[str, Any]
    draw: Draw | None

    @property
    def problems(self) -> list[str]:
        return list(self.plan["problems"])


@transaction.atomic
def plan_experiment(*, experiment: int, now: datetime) -> PriceExperiment:
    """Work out the plan of a draft and keep it there as a preview; nothing is served. Locks the experiment.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it is no draft any more.
    """
    row = locked_experiment(experiment, Status.DRAFT)
    row.plan = planned(experiment=row, now=now, is_preview=True).plan
    row.save(update_fields=["plan"])
    return row


def planned(*, experiment: PriceExperiment, now: datetime, is_preview: bool = False) -> Planned:
    """Return the plan of an experiment as of now. Locks its listings, but for a preview; call it in a transaction."""
    arms = list(experiment.arms.order_by("position"))
    problems = _faults(experiment, arms)
    if problems:
        return Planned(_plan(experiment, arms, None, {}, {}, problems, [], now), None)
    try:
        draw = draw_units(experiment=experiment, arms=arms, now=now, is_preview=is_preview)
    except ValueError as error:
        return Planned(_plan(experiment, arms, None, {}, {}, [f"{error}."], [], now), None)
    problems = _empty_arms(experiment, arms, draw)
    precision = {"unknown": "There are too few units."} if problems else foresee_precision(experiment, arms, draw)
    interference = foresee_interference(experiment, arms, draw)
    problems += _interference_problems(interference)
    warnings = _warnings(experiment, draw, precision, interference)
    return Planned(_plan(experiment, arms, draw, precision, interference, problems, warnings, now), draw)


def _faults(experiment: PriceExperiment, arms: Sequence[ExperimentArm]) -> list[str]:
    """Return what is wrong before anything is drawn."""
    faults = []
    if len(arms) < 2 or arms[0].position != 0:
        faults.append("Give it a control (position 0) and one arm more at least.")
    elif sum(arm.share for arm in arms) != SHARES:
        faults.append(f"The arms' shares sum to {sum(arm.share for arm in arms):,} basis points: make it 10,000.")
    elif any(arm.price_change == 0 for arm in arms[1:]):
        faults.append("An arm beside the control changes no price: give it a change, or take it out.")
    elif experiment.design == Design.SKU and experiment.matching == Matching.PAIRS:
        shares = [arm.share for arm in arms]
        if max(shares) - min(shares) > 1:
            faults.append("Matched pairs need arms of equal shares: make them equal, or choose strata.")
    if experiment.design == Design.VISITOR:
        faults.append(
            "Prices by visitor are off: the storefront draws arms by SKU, region or time slot. Choose one of those."
        )
    return faults + _unreadable(experiment)


def _unreadable(experiment: PriceExperiment) -> list[str]:
    """Return which metrics the design's facts will never tell: a plan cannot change once it is registered."""
    if experiment.design not in READ_FROM_SALES:
        return []
    cure = "daily sales, from which this design is read, do not tell orders. Choose another, or regions or time slots."
    faults = []
    if experiment.metric == Metric.REVENUE_PER_ORDER:
        faults.append(f"Revenue per order cannot be the primary metric: {cure}")
    if experiment.guardrails.filter(metric=Metric.REVENUE_PER_ORDER).exists():
        faults.append(f"Revenue per order cannot be a guardrail: {cure}")
    return faults


def _empty_arms(experiment: PriceExperiment, arms: Sequence[ExperimentArm], draw: Draw) -> list[str]:
    if not len(draw.listings):
        return ["No listing can be tried: see why each was refused."]
    if experiment.design not in {Design.SKU, Design.CATEGORY}:
        return []
    few = [
        f"Arm {arm.name} has {units} {'categories' if experiment.design == Design.CATEGORY else 'listings'}: "
        f"{LEAST_UNITS} are the least from which an error can be told."
        for arm, units in zip(arms, _units(draw, len(arms)), strict=True)
        if units < LEAST_UNITS
    ]
    return few


def _units(draw: Draw, arms: int) -> list[int]:
    """Return how many units of randomisation each arm has."""
    return [len(np.unique(draw.clusters[draw.arms == arm])) for arm in range(arms)]


def _interference_problems(found: Foresight) -> list[str]:
    if found.get("source") != "learned" or found["here"]["is_fit"]:
        return []
    proposal = " Draw categories instead." if found["proposal"] else " Choose fewer listings, or a switchback."
    return [f"Substitutes in other arms would bias the effect by {_points(found['here']['bias'])}.{proposal}"]


def _warnings(experiment: PriceExperiment, draw: Draw, precision: Foresight, interference: Foresight) -> list[str]:
    warnings = []
    if "unknown" in precision:
        warnings.append(f"How long it must run is not known. {precision['unknown']}")
    elif precision["power"] < float(experiment.power):
        needed = precision["days_needed"]
        cure = (
            f"{needed} days would do" if needed else "no year of it would do: look for a larger effect, or more units"
        )
        chance = f"{precision['power'] * 100:.0f} %"
        warnings.append(f"In {precision['horizon_days']} days it finds the effect with a chance of {chance}: {cure}.")
    if interference.get("source") == "same_category" and not interference["here"]["is_fit"]:
        warnings.append(
            "No substitutes were learned. Were all listings of a category substitutes, the effect would be biased by "
            f"{_points(interference['here']['bias'])}: learn cross prices, or draw categories."
        )
    if draw.for_second_person:
        warnings.append(f"{draw.for_second_person:,} listings have a price that a second person must start.")
    return warnings


def _plan(
    experiment: PriceExperiment,
    arms: Sequence[ExperimentArm],
    draw: Draw | None,
    precision: Foresight,
    interference: Foresight,
    problems: Sequence[str],
    warnings: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    registered = {name: _plain(getattr(experiment, name)) for name in REGISTERED}
    guardrails = {each.metric: str(each.tolerated_loss) for each in experiment.guardrails.order_by("metric")}
    return {
        "version": PLAN_VERSION,
        "at": now.isoformat(),
        "registered": registered | {"guardrails": guardrails},
        "listings": 0 if draw is None else len(draw.listings),
        "outside_buckets": 0 if draw is None else draw.listings.outside,
        "arms": [_arm(arm, draw, len(arms)) for arm in arms],
        "refused": {} if draw is None else _refused(draw.refused),
        "for_second_person": 0 if draw is None else draw.for_second_person,
        "precision": precision,
        "interference": interference,
        "pairs": [] if draw is None else _pairs(experiment, draw),
        "problems": list(problems),
        "warnings": list(warnings),
    }


def _arm(arm: ExperimentArm, draw: Draw | None, arms: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": arm.name, "share": arm.share, "price_change": str(arm.price_change)}
    if draw is None or not (draw.arms == arm.position).any():
        return found
    inside = draw.arms == arm.position
    found |= {
        "listings": int(inside.sum()),
        "units": _units(draw, arms)[arm.position],
        "metric_a_day": round(float(draw.before[inside].mean()), 4),
    }
    if arm.position and (draw.arms == 0).any():
        gaps = standardised_differences(draw.covariates, draw.arms, arm.position)
        found["differences"] = {name: round(float(gap), 3) for name, gap in zip(COVARIATES, gaps, strict=True)}
    return found


def _refused(refused: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {
        reason: {"count": len(skus), "skus": list(skus[:SKUS_TOLD]), "why": refusal_words(reason)}
        for reason, skus in sorted(refused.items())
        if skus
    }


def _pairs(experiment: PriceExperiment, draw: Draw) -> list[list[float]]:
    """Return the metric a day of both of a pair, the control's first: of some pairs, evenly spread."""
    if experiment.design != Design.SKU or experiment.matching != Matching.PAIRS:
        return []
    control, treated = (
        dict(zip(draw.blocks[draw.arms == arm].tolist(), draw.before[draw.arms == arm].tolist(), strict=True))
        for arm in (0, 1)
    )
    both = sorted(control.keys() & treated.keys())
    step = max(len(both) // PAIRS_TOLD, 1)
    return [[round(control[pair], 4), round(treated[pair], 4)] for pair in both[::step][:PAIRS_TOLD]]


def _points(bias: float) -> str:
    return f"{bias * 100:+.1f} %".replace("-", "−")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
