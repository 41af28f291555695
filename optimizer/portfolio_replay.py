"""Replay a price that the goals of a run decided, without the engine.

Pure Python beside `optimizer.replay`: a web process may run it.
"""

import math
from collections.abc import Mapping
from typing import Any

from optimizer.replay import SAME_SCORE, ReplayResult, _complete, _score


def why_not(explanation: Mapping[str, Any]) -> str:
    """Return why a recorded price cannot be worked out from its own inputs; empty where it can."""
    recorded = explanation["portfolio"]
    if recorded["together"]:
        return "The price was chosen with its relatives' for the goals of the run: its own inputs do not give it."
    if recorded["mended"]:
        return "The price was moved to another, nearly as good one so that the goals are met exactly."
    return ""


def replay_portfolio(explanation: Mapping[str, Any]) -> ReplayResult:
    """Score the recorded options again, charged for the goals, and confirm the recorded price.

    The score is objective + revenue·R + profit·Π − change·[p ≠ p0] + price·p + cross·ln(p/p0), in ticks, with the
    multipliers that the run's goals came to, and what the price does to others' sales. Of equal scores the lowest
    price.

    Args:
        explanation: as for `optimizer.replay.replay_price`, with `portfolio`: `options` (ticks, rising), `revenue`,
            `profit`, `change` and `price`,
            and `cross` where effects on others were counted.

    Raises:
        ValueError: `why_not` says why.
    """
    if reason := why_not(explanation):
        raise ValueError(reason)
    inputs, recorded = _complete(explanation), explanation["portfolio"]
    scored = [_score(ticks, inputs) for ticks in recorded["options"]]
    charged = [
        each.score
        + recorded["revenue"] * each.ticks * each.units
        + recorded["profit"] * each.profit
        - recorded["change"] * (each.ticks != inputs["current_price_ticks"])
        + recorded["price"] * each.ticks
        + recorded.get("cross", 0.0) * math.log(each.ticks / inputs["current_price_ticks"])
        for each in scored
    ]
    best = charged.index(max(charged))
    size = max(abs(each) for each in charged)
    ours = [value for each, value in zip(scored, charged, strict=True) if each.ticks == inputs["price_ticks"]]
    confirmed = bool(ours) and ours[0] >= charged[best] - SAME_SCORE * size
    price = inputs["price_ticks"] if confirmed else scored[best].ticks
    return ReplayResult(price, charged[best], scored[best].units, None, confirmed, len(scored))
