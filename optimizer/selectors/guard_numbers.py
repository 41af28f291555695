"""What a run would do to a channel, in a few numbers, and whether that is too much."""

import math
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, F, Q, Sum
from django.db.models.functions import Abs

from optimizer.models import OptimizationRun, Recommendation, RunLimits

CHANGED = Q(price__isnull=False) & ~Q(price=F("previous_price"))
SIZE = Abs(F("price") / F("previous_price") - 1)
SIZES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Upper ends of the classes in which changed prices are counted by the size of their change."""


def guard_numbers(*, run: OptimizationRun) -> dict[str, Any]:
    """Return counts by outcome, the share of prices changed and the expected shifts of a run, JSON-able.

    A price that the gate refused changes nothing and counts among the outcomes only.
    The interval of the profit change treats SKUs as independent given their posteriors: mean ± 1.645 sd covers 90 %.
    """
    rows = Recommendation.objects.filter(run=run)
    totals = (
        rows.exclude(outcome=Recommendation.Outcome.REFUSED)
        .annotate(size=SIZE)
        .aggregate(
            priced=Count("price"),
            changed=Count("pk", filter=CHANGED),
            raised=Count("pk", filter=Q(price__gt=F("previous_price"))),
            lowered=Count("pk", filter=Q(price__lt=F("previous_price"))),
            mean_size=Avg(SIZE, filter=CHANGED),
            **{f"up_to_{size}": Count("pk", filter=CHANGED & Q(size__lte=Decimal(str(size)))) for size in SIZES},
            revenue_before=Sum("revenue_before"),
            revenue_after=Sum("expected_revenue"),
            profit_before=Sum("profit_before"),
            profit_after=Sum("expected_profit"),
            profit_change=Sum("profit_change_mean"),
            variance=Sum(F("profit_change_sd") * F("profit_change_sd")),
        )
    )
    sizes = {str(size): int(totals.pop(f"up_to_{size}")) for size in SIZES}
    spread = 1.645 * math.sqrt(totals.pop("variance") or 0.0)
    numbers = {name: float(value) if value is not None else 0.0 for name, value in totals.items()}
    for name in ("priced", "changed", "raised", "lowered"):
        numbers[name] = int(numbers[name])
    return {
        "listings": rows.count(),
        **numbers,
        "changed_by_up_to": sizes,
        "share_changed": _ratio(numbers["changed"], numbers["priced"]),
        "revenue_shift": _ratio(numbers["revenue_after"] - numbers["revenue_before"], numbers["revenue_before"]),
        "profit_shift": _ratio(numbers["profit_after"] - numbers["profit_before"], numbers["profit_before"]),
        "profit_change_90_percent": [numbers["profit_change"] - spread, numbers["profit_change"] + spread],
        "outcomes": dict(rows.values_list("outcome").annotate(count=Count("pk")).order_by("outcome")),
        "reasons": dict(
            rows.exclude(outcome_reason="").values_list("outcome_reason").annotate(count=Count("pk")).order_by()
        ),
    }


def broken_limit(*, run: OptimizationRun, of_listings: int | None = None) -> str | None:
    """Return in words which of the channel's limits the run's guard numbers break, or None.

    ``of_listings``: how many the share of changed prices is measured against, where the run priced only some of them.
    """
    limits = RunLimits.objects.filter(channel=run.channel).first()
    if limits is None:
        return None
    share, shift = run.guard_numbers["share_changed"], run.guard_numbers["revenue_shift"]
    if of_listings is not None:
        share = _ratio(run.guard_numbers["changed"], of_listings)
    if limits.max_share_changed is not None and share > limits.max_share_changed:
        return f"held: {share:.1%} of prices would change, more than the limit of {limits.max_share_changed:.1%}"
    changed = run.guard_numbers["changed"]
    if limits.max_skus_changed is not None and changed > limits.max_skus_changed:
        return f"held: {changed:,} prices would change, more than the limit of {limits.max_skus_changed:,}"
    if limits.max_revenue_drop is not None and -shift > limits.max_revenue_drop:
        return f"held: revenue would fall by {-shift:.1%}, more than the limit of {limits.max_revenue_drop:.1%}"
    return None


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
