"""Price experiments in the states that tests need them in."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from experiments.models import (
    ArmDay,
    ExperimentArm,
    ExperimentLayer,
    ExperimentUnit,
    GuardrailMetric,
    PriceExperiment,
    UnitDay,
    UnitState,
)
from experiments.selectors.arm_moments import SUMS
from experiments.services.arm_days import recompute_arm_days
from tests.factories import make_channel

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
STARTED = TODAY - timedelta(days=26)
_numbers = count(1)


def make_trial(
    design: str = "visitor",
    *,
    shares: tuple[int, ...] = (5_000, 5_000),
    guardrails: dict[str, str] | None = None,
    units: list[dict[str, Any]] | None = None,
    **fields: Any,
) -> PriceExperiment:
    """A running experiment with the arms control, b, c …; its units are given as fields, ``arm`` by position."""
    number, channel = next(_numbers), fields.pop("channel", None) or make_channel()
    layer, _ = ExperimentLayer.objects.get_or_create(channel=channel, name="prices")
    defaults: dict[str, Any] = {
        "code": f"trial-{number}", "name": f"Trial {number}", "hypothesis": "Cheaper sells more.", "metric": "revenue",
        "method": "always_valid", "minimum_effect": Decimal("0.05"), "created_at": STARTED, "created_by": "tests",
        "salt": f"salt{number}", "matching": "none",
    }  # fmt: skip
    if design == "visitor":
        defaults |= {"discloses_personalisation": True, "disclosure": "This price was set for you."}
    if design == "switchback":
        defaults |= {"slot_seconds": 3_600, "washout_seconds": 600}
    begun = {"started_at": STARTED, "plan": {}, "status": "running"}
    begun |= {name: fields.pop(name) for name in ("started_at", "plan", "status", "stopped_at") if name in fields}
    experiment = PriceExperiment.objects.create(channel=channel, layer=layer, design=design, **defaults | fields)
    arms = [
        ExperimentArm.objects.create(
            experiment=experiment, position=at, name="control" if at == 0 else chr(ord("a") + at), share=share,
            price_change=Decimal("-0.05") * at,
        )
        for at, share in enumerate(shares)
    ]  # fmt: skip
    for metric, loss in (guardrails or {}).items():
        GuardrailMetric.objects.create(experiment=experiment, metric=metric, tolerated_loss=Decimal(loss))
    for unit in units or []:
        listing = unit["listing"]
        defaults = {"block": listing.pk, "cluster": listing.pk}
        ExperimentUnit.objects.create(experiment=experiment, **defaults | unit | {"arm": arms[unit["arm"]]})
    PriceExperiment.objects.filter(pk=experiment.pk).update(**begun)
    experiment.refresh_from_db()
    return experiment


def arm_days(experiment: PriceExperiment) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """Return the stored changes by arm, metric and day since the start; rows of nothing but zeros are left out."""
    rows = ArmDay.objects.filter(arm__experiment=experiment).select_related("arm")
    found = {
        (row.arm.name, row.metric, (row.day - STARTED.date()).days): tuple(getattr(row, name) for name in SUMS)
        for row in rows
    }
    return {key: sums for key, sums in found.items() if any(sums)}


def after(days: float = 0, hours: float = 0) -> datetime:
    return STARTED + timedelta(days=days, hours=hours)


def store_facts(experiment: PriceExperiment, units: list[dict[str, Any]]) -> None:
    """Write units with their ``days`` since the start as if they had come in, and sum them up.

    ``arm``: by position. ``days``: {day: {"exposures": …, "revenue": …}}.
    """
    arms = list(experiment.arms.order_by("position"))
    UnitState.objects.bulk_create(
        UnitState(experiment=experiment, unit=each["unit"], arm=arms[each["arm"]], covariate=each.get("covariate"))
        for each in units
    )
    UnitDay.objects.bulk_create(
        UnitDay(
            experiment=experiment, unit=each["unit"], day=experiment.started_at.date() + timedelta(days=day), **facts
        )
        for each in units
        for day, facts in each["days"].items()
    )
    recompute_arm_days(experiment=experiment)
