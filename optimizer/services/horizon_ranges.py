"""What problems over a horizon look like in a channel. Only workers and commands load this file."""

from dataclasses import replace
from typing import Final

import numpy as np
from django.db.models import F

from catalog.models import Channel
from catalog.reading import read_tuples
from optimizer.engine.horizon import ProblemRanges
from optimizer.models import ElasticityEstimate
from optimizer.selectors.live_models import live_fit

TAILS: Final = (0.02, 0.98)
"""Quantiles of a channel's products between which problems are drawn: a few odd products must not set the scale."""

LEAST_PRODUCTS: Final = 10
LEAST_ROOM: Final = 1.1
"""Ratio of the ends of a range: products that are all alike must not make it a point."""

ELASTICITIES: Final = (-6.0, -0.5)
DEMANDS: Final = (0.2, 8.0)
"""Units a period: what sells more is priced well by its mean alone, and stock above 1,000 units is not solved."""

COST_SHARES: Final = (0.1, 0.9)


def horizon_ranges(*, channel: Channel) -> ProblemRanges:
    """Return the ranges of elasticity, demand, price and cost of the channel's products, by its live model.

    The usual ranges stand where fewer than ten products have an estimate, a cost and a price: see
    `optimizer.engine.horizon.ProblemRanges`. Horizon, stock, season and competitor are always the usual ones.
    """
    rows = read_tuples(
        ElasticityEstimate.objects.filter(fit=live_fit(channel=channel), base_demand__gt=0, reference_price__gt=0)
        .filter(listing__unit_cost__gt=0)
        .order_by("listing_id")
        .values_list("mean", "base_demand", "reference_price", F("listing__unit_cost"))
    )
    usual = ProblemRanges()
    if len(rows) < LEAST_PRODUCTS:
        return usual
    elasticity, demand, price, cost = np.array(rows, dtype=np.float64).T
    low, high = _between(-elasticity, (-ELASTICITIES[1], -ELASTICITIES[0]))
    return replace(
        usual,
        elasticity=(-high, -low),
        demand=_between(demand, DEMANDS),
        reference=_between(price, (0.01, 1e6)),
        cost_share=_between(cost / price, COST_SHARES),
    )


def _between(values: np.ndarray, limits: tuple[float, float]) -> tuple[float, float]:
    low, high = np.clip(np.quantile(values, TAILS), *limits)
    if high < low * LEAST_ROOM:
        middle = (low + high) / 2
        low, high = middle / LEAST_ROOM**0.5, middle * LEAST_ROOM**0.5
    return float(low), float(high)
