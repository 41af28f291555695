"""Replay a recorded price decision by brute force, without the engine.

Pure Python and `catalog.guardrails`: a web process may run it to prove that an explanation gives the price it claims.
It shares no code with `optimizer.engine`, so it is also the oracle of the engine's tests.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from catalog.guardrails import (
    COST_UNITS_PER_TICK,
    MISSING_COST,
    UNBOUNDED,
    Band,
    Guardrails,
    admissible_prices,
    band_of,
)

TIE: Final = 1e-12
"""Scores that differ by less, relatively, count as equal, as in the engine."""

SAME_SCORE: Final = 1e-9
"""A recorded price whose score is this near the best, relatively, is confirmed although another tick scores alike."""

MAX_EXPONENT: Final = 600.0

OPTIONAL: Final = {
    "inventory": None,
    "competitor_price_ticks": None,
    "day_start_ticks": None,
    "changes_today": None,
    "log_demand_sd": 0.0,
    "price_ticks": None,
}
"""What an explanation may leave out, as those recorded before a rule existed do, and what that means."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Hold what the replay found.

    Args:
        price_ticks: the best admissible price; None where the SKU cannot be priced.
        score: expected objective at that price (ticks for profit and revenue, units for market share); None likewise.
        expected_demand: E[min(Q, stock)] at that price, units; None likewise.
        unpriced_reason: why there is no price, or None.
        confirmed: whether the recorded price is the best one, or scores the same up to rounding; None where the
            explanation records no price.
        admissible: how many prices were compared.
    """

    price_ticks: int | None
    score: float | None
    expected_demand: float | None
    unpriced_reason: str | None
    confirmed: bool | None
    admissible: int


@dataclass(frozen=True, slots=True)
class _Scored:
    ticks: int
    score: float
    profit: float
    units: float


def replay_price(explanation: Mapping[str, Any]) -> ReplayResult:
    """Recompute a price from its recorded inputs, by scoring every admissible tick.

    The score is the expected objective under Q(p) = Q0·exp(e·x), e ~ Normal(m, s²), x = ln(p/p0), where Q0 is lognormal
    with mean `demand`, with sales min(Q, stock). Equal scores: the higher profit, then the smaller move, then the lower
    price.

    Args:
        explanation: `objective` (`profit`, `revenue` or `market_share`), `current_price_ticks`, `cost_units`,
            `demand`, `elasticity_mean`, `elasticity_sd`, `guardrails` (fields of `Guardrails`); `inventory`,
            `competitor_price_ticks`, `day_start_ticks` and `changes_today` may be None or absent, `log_demand_sd`
            absent for 0. `price_ticks`, where present,
            is the price to confirm. Other keys are ignored.

    Returns:
        The price, and whether it is the recorded one.

    Raises:
        ValueError: the objective is unknown, or the explanation lacks a key; the message names it.
    """
    inputs = _complete(explanation)
    rails = Guardrails.from_dict(inputs["guardrails"])
    band = _band(rails, inputs)
    reason = _unpriced_reason(inputs, band is not None, band is not None and band.upper < UNBOUNDED)
    if reason is not None or band is None:
        confirmed = inputs["price_ticks"] is None if "price_ticks" in explanation else None
        return ReplayResult(None, None, None, reason, confirmed, 0)
    scored = [_score(ticks, inputs) for ticks in admissible_prices(band, rails.price_endings)]
    best = _best(scored, inputs["current_price_ticks"])
    confirmed = _confirms(scored, best, inputs["price_ticks"]) if "price_ticks" in explanation else None
    return ReplayResult(best.ticks, best.score, best.units, None, confirmed, len(scored))


def admissible_ticks(explanation: Mapping[str, Any]) -> int:
    """Return how many minor units the recorded band spans: what a replay has to go through; 0 where not priced."""
    inputs = _complete(explanation)
    band = _band(Guardrails.from_dict(inputs["guardrails"]), inputs)
    return 0 if band is None else band.upper - band.lower + 1


def _band(rails: Guardrails, inputs: Mapping[str, Any]) -> Band | None:
    return band_of(
        rails,
        cost_units=inputs["cost_units"],
        current_ticks=inputs["current_price_ticks"],
        stock=inputs["inventory"],
        competitor_ticks=inputs["competitor_price_ticks"],
        day_start_ticks=inputs["day_start_ticks"],
        changes_today=inputs["changes_today"],
    )


def _complete(explanation: Mapping[str, Any]) -> dict[str, Any]:
    required = (
        "objective",
        "current_price_ticks",
        "cost_units",
        "demand",
        "elasticity_mean",
        "elasticity_sd",
        "guardrails",
    )
    for name in required:
        if name not in explanation:
            raise ValueError(f"the explanation has no {name!r}; record it with the decision")
    if explanation["objective"] not in ("profit", "revenue", "market_share"):
        raise ValueError(
            f"objective {explanation['objective']!r} cannot be replayed; add its score to optimizer.replay"
        )
    return OPTIONAL | dict(explanation)


def _unpriced_reason(inputs: Mapping[str, Any], has_cost: bool, has_upper_limit: bool) -> str | None:
    if not has_cost:
        return MISSING_COST
    if not inputs["current_price_ticks"] or inputs["current_price_ticks"] <= 0:
        return "missing_price"
    if inputs["demand"] == 0:
        return "no_demand"
    return None if has_upper_limit else "no_upper_limit"


def _score(ticks: int, inputs: Mapping[str, Any]) -> _Scored:
    log_ratio = math.log(ticks / inputs["current_price_ticks"])
    units = _expected_sales(log_ratio, inputs)
    profit = (ticks - inputs["cost_units"] / COST_UNITS_PER_TICK) * units
    score = {"profit": profit, "revenue": ticks * units, "market_share": units}[inputs["objective"]]
    return _Scored(ticks, score, profit, units)


def _expected_sales(log_ratio: float, inputs: Mapping[str, Any]) -> float:
    """Return E[min(Q, stock)]: ln Q is normal with standard deviation √(s²x² + τ²)."""
    mean, sd, stock = inputs["elasticity_mean"], inputs["elasticity_sd"], inputs["inventory"]
    exponent = min(log_ratio * (mean + sd**2 * log_ratio / 2), MAX_EXPONENT)
    demanded: float = inputs["demand"] * math.exp(exponent)
    if stock is None:
        return demanded
    spread = math.hypot(sd * log_ratio, inputs["log_demand_sd"])
    if stock <= 0 or spread == 0:
        return min(demanded, float(max(stock, 0)))
    distance = (math.log(stock) - math.log(inputs["demand"]) - exponent) / spread
    limited: float = demanded * _normal_cdf(distance - spread / 2) + stock * _normal_cdf(-distance - spread / 2)
    return min(limited, demanded, float(stock))


def _normal_cdf(value: float) -> float:
    return math.erfc(-value * math.sqrt(0.5)) / 2


def _best(scored: list[_Scored], current_ticks: int) -> _Scored:
    highest = max(each.score for each in scored)
    equal = [each for each in scored if each.score >= highest * (1 - TIE)]
    return min(equal, key=lambda each: (-each.profit, abs(each.ticks - current_ticks), each.ticks))


def _confirms(scored: list[_Scored], best: _Scored, recorded: int | None) -> bool:
    found = next((each for each in scored if each.ticks == recorded), None)
    return found is not None and found.score >= best.score * (1 - SAME_SCORE)
