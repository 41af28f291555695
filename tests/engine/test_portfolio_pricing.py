"""Prices chosen together from the inputs of single SKUs, and what the goals cost."""

import dataclasses

import numpy as np
import pytest

from catalog.guardrails import (
    MISSING,
    GuardrailBatch,
    Guardrails,
    Place,
    Rule,
    hard_interval,
    step_violations_batch,
    violations_batch,
)
from optimizer.engine import PricingInputs, available_devices, optimize_ticks, resolve_device
from optimizer.engine.joint import RelatedSkus, solve_related
from optimizer.engine.portfolio import (
    ChangeBudget,
    GoalsUnmet,
    MarginRate,
    PriceIndex,
    PriceLadder,
    RevenueFloor,
    price_portfolio,
)


@pytest.fixture(params=available_devices())
def device(request):
    return request.param


def inputs_of(size, seed=2, endings=(), **columns):
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(6, 0.7, size)).clip(30, 20_000).astype(np.int64)
    rails = Guardrails(price_endings=endings, min_margin_bp=1_000, max_change_bp=2_000)
    return PricingInputs(
        current_ticks=price,
        cost_units=(price * rng.uniform(40, 70, size)).astype(np.int64),
        demand=np.exp(rng.normal(3, 1, size)),
        elasticity_mean=rng.normal(-2, 0.5, size).clip(-5, -0.3),
        elasticity_sd=rng.uniform(0.1, 0.4, size),
        competitor_ticks=(price * np.exp(rng.normal(0, 0.1, size))).astype(np.int64),
        guardrails=GuardrailBatch.uniform(rails, size),
        **columns,
    )


def alone(inputs, objective="profit"):
    return optimize_ticks(inputs, objective, device="cpu").price_ticks


def expected(inputs, ticks):
    """Return the expected (units, revenue, profit) at prices, by the closed form."""
    x = np.log(ticks / inputs.current_ticks)
    units = inputs.demand * np.exp(inputs.elasticity_mean * x + inputs.elasticity_sd**2 * x * x / 2)
    return units, ticks * units, (ticks - inputs.cost_units / 100) * units


def test_the_goals_are_met_by_admissible_prices_and_cost_what_is_said(device):
    inputs = inputs_of(4_000, endings=("9", "5"))
    today = expected(inputs, inputs.current_ticks)[1].sum()
    goals = [RevenueFloor(change=0.03), ChangeBudget(most=1_500), MarginRate(least=0.35)]
    best = alone(inputs)
    found = price_portfolio(inputs, goals, alone=best, device=device)
    _, revenue, profit = expected(inputs, found.ticks)
    assert revenue.sum() >= 1.03 * today * (1 - 1e-9)
    assert (found.ticks != inputs.current_ticks).sum() <= 1_500
    assert profit.sum() >= 0.35 * revenue.sum()
    assert found.result.value == pytest.approx(profit.sum(), rel=1e-9)
    assert found.result.gap < 1e-4
    for broken in (violations_batch, step_violations_batch):
        assert not any(rows.any() for rows in broken(found.ticks, inputs.guardrails, inputs.facts()).values())
    assert (found.ticks == inputs.current_ticks).sum() >= 2_500  # which ends in 9 or 5 for a fifth of them only
    assert set(np.unique(found.ticks[found.ticks != inputs.current_ticks] % 10)) <= {5, 9}
    said = [price.sentence(lambda ticks: f"{ticks / 100:,.0f} EUR", "profit") for price in found.shadow_prices]
    assert said[0].startswith("revenue floor: one more % of revenue costs ")
    assert said[1].startswith("budget of price changes: one change less costs ")
    assert said[2] == "margin rate costs nothing: it is kept anyway"


def test_the_price_of_revenue_is_what_one_more_percent_costs():
    inputs = inputs_of(20_000)
    best = alone(inputs)

    def at(change):
        return price_portfolio(inputs, [RevenueFloor(change=change)], alone=best, device="cpu")

    (price,) = at(0.05).shadow_prices
    lost = at(0.0499).result.bound - at(0.0501).result.bound
    assert lost / 0.02 == pytest.approx(price.costs, rel=0.02)


@pytest.mark.parametrize("objective", ["profit", "revenue", "market_share"])
def test_without_goals_each_sku_gets_its_best_price_alone(objective):
    inputs = inputs_of(500)
    best = alone(inputs, objective)
    found = price_portfolio(inputs, [], alone=best, objective=objective, device="cpu")
    score = dict(zip(("market_share", "revenue", "profit"), expected(inputs, found.ticks), strict=True))[objective]
    there = dict(zip(("market_share", "revenue", "profit"), expected(inputs, best), strict=True))[objective]
    assert np.allclose(score, there, rtol=1e-12)


def test_a_price_index_holds_in_every_category_and_leaves_others_alone():
    inputs = inputs_of(3_000)
    group = np.arange(3_000) % 4 - 1  # a quarter counts in none
    goal = PriceIndex(group=group, names=["a", "b", "c"], low=0.97, high=1.0)
    best = alone(inputs)
    found = price_portfolio(inputs, [goal], alone=best, device="cpu")
    ratio = found.ticks / inputs.competitor_ticks
    for code in range(3):
        assert 0.97 - 1e-9 <= ratio[group == code].mean() <= 1.0 + 1e-9
    assert np.array_equal(found.ticks[group == -1], best[group == -1])
    assert {price.group for price in found.shadow_prices if price.costs > 0} == {"a", "b", "c"}


def test_a_category_that_no_competitor_sells_has_no_index_to_keep():
    inputs = dataclasses.replace(inputs_of(50), competitor_ticks=np.full(50, MISSING))
    goal = PriceIndex(group=np.zeros(50, dtype=np.int64), names=["a"], low=0.9, high=0.95)
    best = alone(inputs)
    assert np.array_equal(price_portfolio(inputs, [goal], alone=best, device="cpu").ticks, best)


def test_costs_of_changes_are_counted():
    inputs = inputs_of(1_000)
    cost = np.where(np.arange(1_000) % 2, 5.0, 1.0)
    found = price_portfolio(inputs, [ChangeBudget(most=700.0, cost=cost)], alone=alone(inputs), device="cpu")
    assert cost[found.ticks != inputs.current_ticks].sum() <= 700.0


def test_skus_that_cannot_be_priced_stay_out():
    inputs = inputs_of(100)
    inputs.cost_units[::7] = MISSING
    best = alone(inputs)
    found = price_portfolio(inputs, [RevenueFloor(change=0.0)], alone=best, device="cpu")
    assert np.array_equal(found.ticks == MISSING, np.arange(100) % 7 == 0)


def test_families_and_ladders_keep_their_relation_under_goals():
    inputs = inputs_of(400)
    inputs.current_ticks[:8] = [500, 510, 490, 520, 700, 800, 900, 400]
    inputs.cost_units[:8] = 20_000
    family = RelatedSkus(rule=Rule.FAMILY, rows=[0, 1, 2], places=[Place()] * 3)
    ladder = RelatedSkus(
        rule=Rule.QUALITY_LADDER, rows=[4, 5, 6], places=[Place(step_ticks=60), Place(step_ticks=60), Place()]
    )
    mixed = RelatedSkus(rule=Rule.QUALITY_LADDER, rows=[7, 0], places=[Place(step_ticks=20), Place()])
    groups = [family, ladder, mixed]
    joint = solve_related(inputs, "profit", alone=alone(inputs), groups=groups).price
    goals = [RevenueFloor(change=0.06), ChangeBudget(most=250)]
    found = price_portfolio(inputs, goals, alone=joint, related=groups, device="cpu").ticks
    assert len(set(found[[0, 1, 2]])) == 1
    assert found[5] >= found[4] + 60 and found[6] >= found[5] + 60
    assert found[0] >= found[7] + 20


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ([RevenueFloor(change=2.0)], r"revenue floor: \+200.0% .* \+[0-9.]+% is the most$"),
        ([RevenueFloor(change=0.1), ChangeBudget(most=10)], "is the least, while the other goals are met$"),
        ([MarginRate(least=0.9)], "margin rate: 90.0% is asked for; profit is at best .* short$"),
    ],
)
def test_goals_that_cannot_be_met_are_named_with_what_can(goals, message):
    inputs = inputs_of(300)
    with pytest.raises(GoalsUnmet, match=message):
        price_portfolio(inputs, goals, alone=alone(inputs), device="cpu")


def test_an_index_that_cannot_be_met_names_its_category():
    inputs = inputs_of(300)
    goal = PriceIndex(group=np.arange(300) % 2, names=["wine", "beer"], high=0.5)
    with pytest.raises(GoalsUnmet, match=r"price index \(wine\): at most 0.5 is asked for, 0\.[0-9]+ is the nearest"):
        price_portfolio(inputs, [goal], alone=alone(inputs), device="cpu")


def test_a_ladder_holds_all_prices_of_a_narrow_band_and_both_ends_of_a_wide_one(device):
    inputs = inputs_of(300, endings=("9",))
    inputs.current_ticks[:100] = 40
    inputs.cost_units[:100] = 2_000
    result = optimize_ticks(inputs, device="cpu")
    ladder = PriceLadder.build(inputs, alone=result.price_ticks, device=resolve_device(device))
    assert (np.diff(ladder.ticks, axis=1) >= 0).all()
    for row in range(300):
        options = ladder.ticks[row][ladder.distinct[row]]
        assert len(set(options)) == len(options) and result.price_ticks[row] in options
        assert options[0] - result.lower_ticks[row] < 10 and result.upper_ticks[row] - options[-1] < 10
    assert ladder.ticks[0][ladder.distinct[0]].tolist() == [39]
    low, high = hard_interval(inputs.guardrails, inputs.facts())
    assert (ladder.ticks >= low[:, None]).all() and (ladder.ticks <= high[:, None]).all()
    units, revenue, profit = expected(inputs, ladder.ticks[:, 3])
    assert np.allclose(ladder.units[:, 3], units) and np.allclose(ladder.profit[:, 3], profit)
    assert np.allclose(ladder.revenue[:, 3], revenue)


def test_too_few_points_and_nothing_to_price_are_refused():
    inputs = inputs_of(3)
    with pytest.raises(ValueError, match="points: got 2; give 3 or more"):
        price_portfolio(inputs, [], alone=alone(inputs), device="cpu", points=2)
    with pytest.raises(ValueError, match="no SKU can be priced"):
        price_portfolio(inputs, [], alone=np.full(3, MISSING), device="cpu")
