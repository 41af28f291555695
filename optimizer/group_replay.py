"""Replay a joint price by going through the group's candidates, without the engine.

Pure Python beside `optimizer.replay`: a web process may run it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from catalog.guardrails import (
    GuardrailBatch,
    Guardrails,
    Place,
    PriceFacts,
    Rule,
    admissible_prices,
    hard_interval,
    pair_shortfall,
    relation_shortfalls,
)
from optimizer.replay import SAME_SCORE, ReplayResult, _band, _complete, _score, admissible_ticks

MOST_COMPARED: Final = 1_000_000
"""Pairs of prices that one replay goes through: some seconds at most."""

MOST_RECORDED: Final = 12
"""Members whose inputs an explanation keeps; a larger group's joint price is not replayed."""


class _Member:
    """One member: its admissible prices, its band, the interval of its hard rules, its place."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        self.place = Place(size=recorded["size"], step_ticks=recorded["step_ticks"], step_bp=recorded["step_bp"])
        self.recorded: int = recorded["price_ticks"]
        self.inputs = None if recorded["held"] else _complete(recorded)
        self.band = self.hard = (self.recorded, self.recorded)
        self.admissible = [self.recorded]
        if self.inputs is not None:
            rails = Guardrails.from_dict(self.inputs["guardrails"])
            band = _band(rails, self.inputs)
            assert band is not None
            self.band, self.hard = (band.lower, band.upper), _hard(rails, self.inputs)
            self.admissible = list(admissible_prices(band, rails.price_endings))

    def score(self, ticks: int) -> float:
        """Return the expected objective; 0 where the price was held, whatever it is."""
        return 0.0 if self.inputs is None else _score(ticks, self.inputs).score


def compared(explanation: Mapping[str, Any]) -> int | None:
    """Return how many pairs of prices a replay has to go through; None where the group was too large to record."""
    recorded = explanation["group"].get("members")
    if recorded is None:
        return None
    widths = [1 if each["held"] else admissible_ticks(each) for each in recorded]
    return sum(left * right for left, right in pairwise(widths))


def replay_group(explanation: Mapping[str, Any]) -> ReplayResult:
    """Solve the recorded group again and confirm the price of the member whose explanation this is.

    Args:
        explanation: as for `optimizer.replay.replay_price`, with `group`: `kind`, `member` (its own index) and
            `members`, each with the keys of an explanation, its `price_ticks`, its place (`size`, `step_ticks`,
            `step_bp`) and whether its price was `held`.

    Returns:
        The recorded price where it is part of a best joint answer, otherwise the price that would have been.

    Raises:
        ValueError: the group was too large to record; nothing can be replayed.
    """
    group = explanation["group"]
    if compared(explanation) is None:
        raise ValueError("the group was too large to record its members' inputs: its joint price cannot be replayed")
    members = [_Member(each) for each in group["members"]]
    rule, own = Rule[group["kind"].upper()], int(group["member"])
    best = _family(members) if rule == Rule.FAMILY else _ladder(rule, members)
    recorded = [each.recorded for each in members]
    confirmed = explanation["price_ticks"] == recorded[own] and _as_good(rule, members, recorded, best)
    price = recorded[own] if confirmed else best[own]
    scored = _score(price, _complete(explanation))
    return ReplayResult(
        price, scored.score, scored.units, None, confirmed, sum(len(each.admissible) for each in members)
    )


def _hard(rails: Guardrails, inputs: Mapping[str, Any]) -> tuple[int, int]:
    facts = PriceFacts.single(cost_units=inputs["cost_units"], current_ticks=inputs["current_price_ticks"])
    low, high = hard_interval(GuardrailBatch.from_rows([rails]), facts)
    return int(low[0]), int(high[0])


def _ladder(rule: Rule, members: Sequence[_Member]) -> list[int]:
    """Return the prices with the least shortfall and, of those, the highest sum of scores: all pairs are compared."""
    ways = {ticks: (0, -members[0].score(ticks), [ticks]) for ticks in members[0].admissible}
    for before, member in pairwise(members):
        longer = {}
        for ticks in member.admissible:
            short, loss, lower = min(
                (way[0] + pair_shortfall(rule, before.place, member.place, each, ticks), way[1], each)
                for each, way in ways.items()
            )
            longer[ticks] = (short, loss - member.score(ticks), [*ways[lower][2], ticks])
        ways = longer
    return min(ways.values())[2]


def _family(members: Sequence[_Member]) -> list[int]:
    """Return the common price with the highest sum of scores, or else the nearest that the hard rules allow."""
    candidates = _common(members)
    if candidates:
        best = max(candidates, key=lambda ticks: (sum(each.score(ticks) for each in members), -ticks))
        return [best] * len(members)
    lowest, highest = max(each.hard[0] for each in members), min(each.hard[1] for each in members)
    ends = [end for each in members for end in (each.band if lowest <= highest else each.hard)]
    if lowest <= highest:
        ends = [min(max(end, lowest), highest) for end in ends]
    nearest = min(ends, key=lambda ticks: (_distance(members, ticks, hard=lowest > highest), ticks))
    return [min(max(nearest, each.hard[0]), each.hard[1]) for each in members]


def _common(members: Sequence[_Member]) -> list[int]:
    """Return the prices that all may take; every price of the common band where no ending suits all."""
    lowest, highest = max(each.band[0] for each in members), min(each.band[1] for each in members)
    free = [set(each.admissible) for each in members if each.inputs is not None]
    shared = [ticks for ticks in range(lowest, highest + 1) if all(ticks in each for each in free)]
    return shared or list(range(lowest, highest + 1))


def _distance(members: Sequence[_Member], ticks: int, *, hard: bool) -> int:
    intervals = [each.hard if hard else each.band for each in members]
    return sum(max(0, low - ticks, ticks - high) for low, high in intervals)


def _as_good(rule: Rule, members: Sequence[_Member], recorded: Sequence[int], best: Sequence[int]) -> bool:
    """Tell whether the recorded prices may be taken and are as good as the best, up to rounding."""
    places = [each.place for each in members]
    if sum(relation_shortfalls(rule, places, recorded)) != sum(relation_shortfalls(rule, places, best)):
        return False
    if rule == Rule.FAMILY and not _common(members):
        return list(recorded) == list(best) or (
            recorded[0] == recorded[-1]
            and all(each.hard[0] <= recorded[0] <= each.hard[1] for each in members)
            and _distance(members, recorded[0], hard=False) == _distance(members, best[0], hard=False)
        )
    if rule != Rule.FAMILY and any(ticks not in each.admissible for ticks, each in zip(recorded, members, strict=True)):
        return False
    if rule == Rule.FAMILY and recorded[0] not in _common(members):
        return False
    totals = [sum(each.score(ticks) for each, ticks in zip(members, row, strict=True)) for row in (recorded, best)]
    return totals[0] >= totals[1] - SAME_SCORE * abs(totals[1])
