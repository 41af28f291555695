"""Two of our instances as rivals: each reprices against the other's last price, a hundred times."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from catalog.guardrails import (
    MISSING,
    GuardrailBatch,
    Guardrails,
    Ints,
    PriceFacts,
    Rule,
    clamp_batch,
    clamp_price,
    hard_floor_ticks,
    int_column,
)
from catalog.selectors.competitors import ABSURD_FACTOR, REACH_FACTOR, within_reach
from optimizer.engine import PricingInputs, optimize_ticks

ROUNDS = 100
LIST_PRICE = 1000


def reference_of(rival: int) -> int | None:
    """What the selector makes of one offer; tests/catalog/test_competitor_behaviour.py holds the two together."""
    if not LIST_PRICE <= rival * ABSURD_FACTOR <= LIST_PRICE * ABSURD_FACTOR**2:
        return None
    return int(within_reach(Decimal(rival), Decimal(LIST_PRICE)))


class Pairs:
    """Thousands of random pairs of shops with any corridors, costs, wishes and starting points."""

    def __init__(self, seed: int, *, size: int = 4000) -> None:
        rng = np.random.default_rng(seed)
        self.prices = rng.integers(400, 2500, (2, size))
        self.wanted = rng.integers(500, 1900, (2, size))
        self.cost_units = rng.integers(300, 800, (2, size)) * 100
        self.limits = [self._limits(rng, size) for _ in range(2)]

    def _limits(self, rng: np.random.Generator, size: int) -> GuardrailBatch:
        corridor = np.sort(rng.integers(-2000, 2001, (2, size)), axis=0)
        corridor[:, ::5] = corridor[0, ::5]  # every fifth is a single distance, such as 1 % below
        corridor[rng.random((2, size)) < 0.2] = MISSING  # and every fifth end is open
        uniform = GuardrailBatch.uniform(Guardrails(), size)
        change = rng.choice([500, 1000, 2000], size)
        return replace(uniform, max_change_bp=change, competitor_min_bp=corridor[0], competitor_max_bp=corridor[1])

    def facts(self, us: int, rival: Ints) -> PriceFacts:
        believed = (rival * ABSURD_FACTOR >= LIST_PRICE) & (rival <= LIST_PRICE * ABSURD_FACTOR)
        reference = np.clip(rival, LIST_PRICE // REACH_FACTOR, LIST_PRICE * REACH_FACTOR)
        stock = np.full(len(rival), 500)
        reference = np.where(believed, reference, MISSING)
        return PriceFacts(
            cost_units=self.cost_units[us], current_ticks=self.prices[us], stock=stock, competitor_ticks=reference
        )

    def play(self, rounds: int) -> Ints:
        """Return (round, shop, pair) prices after each round; the shops take turns."""
        path = []
        for _ in range(rounds):
            for us in (0, 1):
                facts = self.facts(us, self.prices[1 - us])
                self.prices[us] = clamp_batch(self.wanted[us], self.limits[us], facts).price
            path.append(self.prices.copy())
        return np.array(path)


@pytest.mark.parametrize("seed", range(3))
def test_any_two_repricers_stay_between_the_margin_floor_and_the_reach(seed):
    pairs = Pairs(seed)
    start = pairs.prices.copy()
    path = pairs.play(ROUNDS)
    for us in (0, 1):
        floor = hard_floor_ticks(pairs.limits[us], pairs.facts(us, pairs.prices[1 - us]))
        highest = np.maximum.reduce([start[us], pairs.wanted[us], floor, np.full_like(floor, 2400)])
        assert (path[:, us] >= floor).all(), "never below the margin"
        assert (path[:, us] <= highest).all(), "never further up than the corridor around twice the list price"


def test_any_two_repricers_settle():
    path = Pairs(7, size=1500).play(1500)
    moves = np.diff(path, axis=0)
    assert (moves[ROUNDS:] != 0).any(axis=(0, 1)).mean() < 0.02, "nearly all have settled after a hundred rounds"
    late = moves[ROUNDS:]
    goes_both_ways = ((late > 0).any(axis=0) & (late < 0).any(axis=0)).any(axis=0)
    assert not goes_both_ways.any(), "the others creep one way, no cycle"
    assert (path[-1] == path[-3:]).all(), "and stop"


def test_two_that_move_at_the_same_moment_never_go_below_the_margin_either():
    pairs = Pairs(11)
    for _ in range(ROUNDS):
        facts = [pairs.facts(us, pairs.prices[1 - us]) for us in (0, 1)]
        pairs.prices = np.array([clamp_batch(pairs.wanted[us], pairs.limits[us], facts[us]).price for us in (0, 1)])
        for us in (0, 1):
            assert (pairs.prices[us] >= hard_floor_ticks(pairs.limits[us], facts[us])).all()
    assert pairs.prices.max() <= 2400


@pytest.mark.parametrize("start", [(1000, 1500), (1500, 1000), (706, 2000), (1000, 1000)])
def test_both_one_percent_below_the_other_stop_at_the_floor_by_its_name(start):
    shop, prices, rules = Guardrails(competitor_min_bp=-300, competitor_max_bp=-100), list(start), []
    for _ in range(ROUNDS):
        for us in (0, 1):
            rival = reference_of(prices[1 - us])
            clamped = clamp_price(
                1200, shop, cost_units=60_000, current_ticks=prices[us], stock=500, competitor_ticks=rival
            )
            prices[us] = clamped.price
            rules.append(clamped.rule)
    assert prices == [706, 706]
    assert rules[-2:] == [Rule.MIN_MARGIN] * 2


def optimised(shop: Guardrails, price: int, reference: int | None) -> tuple[int, Rule]:
    """Price one SKU as a run does: e = -2 ± 0.3, 40 units a week at the list price, cost 6.00."""
    inputs = PricingInputs(
        current_ticks=np.array([price]),
        cost_units=np.array([60_000]),
        demand=np.array([40.0 * (price / LIST_PRICE) ** -2.0]),
        elasticity_mean=np.array([-2.0]),
        elasticity_sd=np.array([0.3]),
        log_demand_sd=np.array([0.1]),
        inventory=np.array([500]),
        competitor_ticks=int_column([reference]),
        guardrails=GuardrailBatch.from_rows([shop]),
    )
    result = optimize_ticks(inputs, device="cpu")
    return int(result.price_ticks[0]), Rule(int(result.rule[0]))


@pytest.mark.parametrize(
    ("low", "high"), [(-500, 500), (-1000, 0), (0, 0), (-300, -100), (100, 500), (None, -200), (-100, None)]
)
@pytest.mark.parametrize("start", [(1000, 1400), (1500, 800)])
def test_two_optimisers_settle_and_come_back_when_the_rival_leaves(low, high, start):
    shop = Guardrails(competitor_min_bp=low, competitor_max_bp=high)
    prices, path, rule = list(start), [], Rule.UNPRICED
    for _ in range(ROUNDS):
        for us in (0, 1):
            prices[us], rule = optimised(shop, prices[us], reference_of(prices[1 - us]))
        path.append(tuple(prices))
        if len(path) > 2 and path[-1] == path[-2] == path[-3]:
            break
    assert path[-1] == path[-2] == path[-3], "no cycle, no spiral"
    assert min(path[-1]) >= 706
    if high is not None and high < 0:
        assert (path[-1], rule) == ((706, 706), Rule.MIN_MARGIN)
    alone = [prices[0]]
    for _ in range(12):
        alone.append(optimised(shop, alone[-1], None)[0])
    steps = np.array(alone[1:]) / np.array(alone[:-1])
    assert ((steps <= 1.2) & (steps >= 0.8)).all(), "within the maximum change"
    assert abs(alone[-1] - alone[-2]) <= 1
    assert 1150 <= alone[-1] <= 1350, "the own optimum, 6.00 · e/(1 + e) = 12.00, and a little for the uncertainty"
