"""Simulations: what each would change, and whether the world is still the one that it was computed on."""

import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Count, F, FloatField, IntegerField, Max, Min, Q, QuerySet, Sum
from django.db.models.expressions import Func, Value
from django.db.models.functions import Cast

from optimizer.models import OptimizationRun, Recommendation, Simulation
from optimizer.selectors.guard_numbers import CHANGED

Z_90_PERCENT = 1.645
BUCKETS = 20
WIDEST_STEP = 1.0
"""Larger changes are counted at the end of the chart."""


def all_simulations() -> QuerySet[Simulation, Any]:
    """Simulations with their runs, and the chunks of these counted."""
    return Simulation.objects.select_related("run__channel", "run__fit", "author", "promoted_by").annotate(
        chunks_total=Count("run__chunks"),
        chunks_done=Count("run__chunks", filter=Q(run__chunks__finished_at__isnull=False)),
    )


def simulation_of(*, run_id: UUID) -> Simulation | None:
    return all_simulations().filter(run_id=run_id).first()


def simulated_prices(*, run: OptimizationRun) -> QuerySet[Recommendation, Any]:
    """What a simulation says of each of its listings, with the listing as it is now."""
    rows = Recommendation.objects.filter(run=run).annotate(
        simulated_version=F("explanation__what_if__state__price_version")
    )
    return rows.select_related("listing__product", "listing__channel").defer("explanation")


def recorded_states(*, run: OptimizationRun) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return (listing id, state) of what a simulation was computed on, in the order of the ids."""
    rows = Recommendation.objects.filter(run=run).order_by("listing_id")
    yield from rows.values_list("listing_id", "explanation__what_if__state").iterator(chunk_size=5_000)


def interval_90_percent(mean: float | None, sd: float | None) -> list[float] | None:
    """Return mean ± 1.645 sd; None where either is not known."""
    return None if mean is None or sd is None else [mean - Z_90_PERCENT * sd, mean + Z_90_PERCENT * sd]


def effect_of(*, run: OptimizationRun) -> dict[str, Any]:
    """Return what a simulation's page shows beside its guard numbers: four passes over its rows, JSON-able.

    The interval of the revenue change treats SKUs as independent given their posteriors, as that of the profit does.
    """
    priced = Recommendation.objects.filter(run=run, price__isnull=False)
    totals = priced.aggregate(
        change=Sum(F("expected_revenue") - F("revenue_before")),
        variance=Sum(F("revenue_change_sd") * F("revenue_change_sd")),
    )
    change, sd = totals["change"] or 0.0, math.sqrt(totals["variance"] or 0.0)
    return {
        "revenue_change": change,
        "revenue_change_90_percent": interval_90_percent(change, sd),
        "binding_rules": dict(
            priced.values_list("binding_rule").annotate(count=Count("pk")).order_by("-count", "binding_rule")
        ),
        **_steps(priced.filter(CHANGED)),
    }


def _steps(changed: QuerySet[Recommendation, Any]) -> dict[str, Any]:
    """Return changed prices in 20 classes of their relative change, with the profit change expected of each class."""
    step = Cast(F("price") / F("previous_price") - 1, FloatField())
    ends = changed.aggregate(lowest=Min(step), highest=Max(step))
    if ends["lowest"] is None:
        return {"widest_step": 0.0, "steps": []}
    widest = min(WIDEST_STEP, max(0.05, math.ceil(max(-ends["lowest"], ends["highest"]) * 20 - 1e-9) / 20))
    bucket = Func(
        step, Value(-widest), Value(widest + 1e-9), Value(BUCKETS), function="width_bucket", output_field=IntegerField()
    )
    counted = changed.annotate(bucket=bucket).values_list("bucket").annotate(Count("pk"), Sum("profit_change_mean"))
    steps = [[0, 0.0] for _ in range(BUCKETS)]
    for at, count, profit in counted.order_by():
        inside = steps[min(max(at, 1), BUCKETS) - 1]
        inside[0] += count
        inside[1] += profit or 0.0
    return {"widest_step": widest, "steps": steps}
