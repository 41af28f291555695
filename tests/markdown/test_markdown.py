import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from catalog.guardrails import GuardrailBatch, Guardrails, PriceFacts
from optimizer.markdown import UNLIMITED, forecast_markdowns, price_ladder, solve_markdowns
from optimizer.markdown.demand import period_sales
from tests.markdown.brute_force import best_value, kept_value
from tests.markdown.cases import a_problem

LADDER = [1000.0, 900.0, 800.0, 700.0]


def forecast(problem):
    return forecast_markdowns(problem, solve_markdowns(problem))


@pytest.mark.parametrize("only_down", [True, False])
@pytest.mark.parametrize("max_changes", [UNLIMITED, 0, 1, 2])
@pytest.mark.parametrize("max_step", [np.inf, 0.12])
@pytest.mark.parametrize("stock", [0, 1, 7])
def test_the_value_is_that_of_brute_force(only_down, max_changes, max_step, stock):
    problem = a_problem(
        stock=stock, periods=3, only_down=only_down, max_changes=max_changes, max_step=max_step, salvage=150.0,
        penalty=90.0, target=2, current=900.0,
    )  # fmt: skip
    assert solve_markdowns(problem).value[0] == pytest.approx(best_value(problem), rel=1e-11, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    stock=st.integers(0, 6), periods=st.integers(1, 3), current=st.sampled_from(LADDER), demand=st.floats(0.05, 9),
    elasticity=st.floats(-5, 1), salvage=st.floats(0, 1200), penalty=st.floats(0, 500), target=st.integers(0, 8),
    only_down=st.booleans(), max_changes=st.integers(-1, 4),
)  # fmt: skip
def test_any_small_markdown_is_solved_as_by_brute_force(elasticity, **fields):
    problem = a_problem(elasticity_mean=elasticity, **fields)
    policy = solve_markdowns(problem)
    assert policy.value[0] == pytest.approx(best_value(problem), rel=1e-10, abs=1e-7)
    assert forecast_markdowns(problem, policy).value[0] == pytest.approx(policy.value[0], rel=1e-8, abs=1e-6)


def test_keeping_the_price_is_worth_what_enumeration_says():
    problem = a_problem(stock=6, periods=3, current=950.0, salvage=100.0, penalty=50.0, target=1)
    assert forecast(problem.keeping_the_price()).value[0] == pytest.approx(kept_value(problem), rel=1e-10)


def test_skus_of_a_batch_are_solved_as_alone():
    rng = np.random.default_rng(4)
    fields = {
        "stock": rng.integers(0, 40, 30),
        "periods": rng.integers(1, 7, 30),
        "max_changes": rng.integers(-1, 3, 30),
    }
    batch = a_problem(30, elasticity_sd=0.3, log_demand_sd=0.2, salvage=100.0, **fields)
    policy = solve_markdowns(batch)
    together = forecast_markdowns(batch, policy)
    for row in range(len(batch)):
        alone = batch.rows(slice(row, row + 1))
        assert solve_markdowns(alone).value[0] == pytest.approx(policy.value[row], rel=1e-9)
        assert forecast(alone).value[0] == pytest.approx(together.value[row], rel=1e-9)
        assert forecast(alone).meets_target[0] == pytest.approx(together.meets_target[row], abs=1e-9)


@pytest.mark.parametrize("stock", range(8))
def test_one_period_takes_the_price_that_is_best_in_one_period(stock):
    problem = a_problem(stock=stock, periods=1, salvage=300.0)
    ladder = np.array(LADDER)
    mean = 3.0 * (ladder / 1000) ** -2.0
    units = np.array([sum(stats.poisson.sf(k, each) for k in range(stock)) for each in mean])
    values = ladder * units + 300.0 * (stock - units)
    policy = solve_markdowns(problem)
    assert policy.value[0] == pytest.approx(values.max(), rel=1e-11)
    assert stock == 0 or LADDER[policy.first[0]] == ladder[np.argmax(values)]


def unit_demand_problem():
    """Periods so short that more than one sale is rare: the continuous time of Gallego and van Ryzin."""
    ladder = np.geomspace(2000, 500, 12)
    return a_problem(stock=25, periods=300, demand=0.05, ladder=ladder, current=2000.0, elasticity_mean=-2.5)


def test_the_price_falls_with_stock_and_rises_with_time_left():
    rung = solve_markdowns(unit_demand_problem()).rung[:, 0, 0, 0, 1:]
    assert (np.diff(rung.astype(int), axis=1) >= 0).all(), "more stock, a lower price: a later rung"
    assert (np.diff(rung.astype(int), axis=0) <= 0).all(), "more time, a higher price"
    assert len(np.unique(rung)) > 4


def test_the_value_is_concave_in_stock_and_rises_with_it():
    stocks = np.arange(26)
    values = solve_markdowns(a_problem(26, **vars_of(unit_demand_problem()) | {"stock": stocks})).value
    assert (np.diff(values) > 0).all()
    assert (np.diff(values, 2) < 1e-6).all()


def vars_of(problem):
    return {name: getattr(problem, name)[0] for name in type(problem).__slots__ if name != "stock"}


def test_stock_far_above_demand_is_priced_as_if_there_were_no_limit():
    # Without a limit every period brings the highest p·λ(p), at e = -2 that of the lowest price.
    problem = a_problem(stock=120, periods=4)
    policy = solve_markdowns(problem)
    assert LADDER[policy.first[0]] == 700.0
    assert policy.value[0] == pytest.approx(4 * 700 * 3 * 0.7**-2, rel=1e-9)


def test_no_stock_is_worth_nothing_and_leaves_the_price_alone():
    policy = solve_markdowns(a_problem(stock=0, current=900.0, penalty=50.0))
    assert policy.value[0] == 0.0
    assert LADDER[policy.first[0]] == 900.0


def test_salvage_above_every_price_keeps_the_price_high():
    policy = solve_markdowns(a_problem(salvage=5000.0))
    assert LADDER[policy.first[0]] == 1000.0


def test_a_penalty_above_the_target_lowers_the_price_and_makes_the_target_likelier():
    fields = {"stock": 18, "elasticity_mean": -1.2, "demand": 4.0, "target": 3}
    free, urged = (a_problem(penalty=penalty, **fields) for penalty in (0.0, 600.0))
    assert forecast(urged).meets_target[0] > forecast(free).meets_target[0] + 0.05
    assert forecast(urged).mean_price[0].mean() < forecast(free).mean_price[0].mean()


def test_only_falling_prices_never_rise_and_a_limit_of_changes_holds():
    problem = a_problem(only_down=True, max_changes=1, periods=6)
    rung = solve_markdowns(problem).rung[:, 0]
    for before in range(4):
        assert (rung[:, before] >= before).all()
        assert (rung[:, before, 0] == before).all(), "no change left: the price stays"


def test_each_rule_that_is_lifted_is_worth_something():
    bound = {"only_down": True, "max_changes": 1, "max_step": 0.11}
    values = []
    for lifted in ([], ["max_step"], ["max_step", "max_changes"], list(bound)):
        kept = {name: value for name, value in bound.items() if name not in lifted}
        values.append(solve_markdowns(a_problem(elasticity_mean=-1.5, stock=14, **kept)).value[0])
    assert values == sorted(values)
    assert values[0] < values[-1]


def test_the_forecast_is_that_of_a_simulation():
    problem = a_problem(
        stock=25, periods=5, elasticity_sd=0.4, log_demand_sd=0.3, only_down=True, salvage=100.0, target=3
    )
    policy = solve_markdowns(problem)
    expected = forecast_markdowns(problem, policy)
    sales = period_sales(problem)
    rng = np.random.default_rng(11)
    nodes = rng.choice(len(sales.weight), size=20_000, p=sales.weight)
    chances = sales.shift[0]
    rung = np.full(len(nodes), policy.first[0])
    stock = np.full(len(nodes), 25)
    revenue = np.zeros(len(nodes))
    for period in range(5):
        if period:
            rung = policy.rung[5 - period - 1, 0, rung, 0, stock]
        cumulative = np.cumsum(chances[nodes, rung], axis=1)
        demand = (rng.random(len(nodes))[:, None] > cumulative).sum(axis=1)
        sold = np.minimum(demand, stock)
        revenue += sold * problem.ladder[0, rung]
        stock = stock - sold
        assert expected.stock[0, period + 1] == pytest.approx(stock.mean(), abs=0.2)
        assert abs(expected.stock_low[0, period + 1] - np.quantile(stock, 0.1)) <= 1
        assert abs(expected.stock_high[0, period + 1] - np.quantile(stock, 0.9)) <= 1
    assert expected.meets_target[0] == pytest.approx((stock <= 3).mean(), abs=0.015)
    assert expected.revenue[0] == pytest.approx(revenue.mean(), rel=0.01)


def test_unknown_demand_widens_the_interval():
    sure, unsure = (forecast(a_problem(stock=60, demand=8.0, log_demand_sd=sd)) for sd in (0.0, 0.4))
    width = [each.stock_high[0, 3] - each.stock_low[0, 3] for each in (sure, unsure)]
    assert width[1] > 1.5 * width[0]


def test_mixing_keeps_the_mean_of_the_posterior():
    problem = a_problem(stock=120, elasticity_sd=0.3, log_demand_sd=0.2)
    _, units = period_sales(problem).mixed()
    log_ratio = np.log(np.array(LADDER) / 1000)
    assert units[0, :, -1] == pytest.approx(3.0 * np.exp(-2.0 * log_ratio + 0.09 * log_ratio**2 / 2), rel=1e-6)


@pytest.mark.parametrize("stock", [300, 777])
def test_a_grid_of_stock_is_off_by_less_than_its_bound(monkeypatch, stock):
    fields = {"stock": stock, "demand": stock / 8, "periods": 5, "salvage": 150.0, "penalty": 100.0, "target": 20}
    on_grid = solve_markdowns(a_problem(**fields))
    monkeypatch.setattr("optimizer.markdown.problem.MAX_CELLS", 10_000)
    exact = solve_markdowns(a_problem(**fields))
    assert exact.error_bound[0] == 0 < on_grid.error_bound[0] < 0.05 * exact.value[0]
    error = abs(on_grid.value[0] - exact.value[0])
    assert 0 < error <= on_grid.error_bound[0]


def test_a_grid_of_stock_keeps_the_mean_of_demand():
    problem = a_problem(stock=5000, demand=200.0)
    sales = period_sales(problem)
    cells = np.arange(sales.shift.shape[-1])
    assert (sales.shift[0, 0, 0] * cells).sum() * problem.cell[0] == pytest.approx(200.0, rel=1e-9)


def ladder_for(limits, *, cost=600, current=1000, highest=1000):
    facts = PriceFacts.single(cost_units=cost * 100, current_ticks=current, stock=10)
    ladder, floor = price_ladder(limits=GuardrailBatch.from_rows([limits]), facts=facts, highest=np.array([highest]))
    return ladder[0], int(floor[0])


def test_the_ladder_reaches_from_the_price_in_force_to_the_hard_floor():
    ladder, floor = ladder_for(Guardrails(min_margin_bp=1500))
    assert floor == 706
    assert (ladder[0], ladder[-1], len(ladder)) == (1000, 706, 12)
    assert (np.diff(ladder) <= 0).all()


@pytest.mark.parametrize(
    ("limits", "lowest"),
    [
        (Guardrails(min_margin_bp=None), 600),
        (Guardrails(floor=800), 800),
        (Guardrails(map_price=900), 900),
        (Guardrails(price_endings=("99", "49")), 749),
    ],
)
def test_salvage_below_cost_never_leads_below_the_floor(limits, lowest):
    ladder, _ = ladder_for(limits)
    assert ladder.min() == lowest
    policy = solve_markdowns(a_problem(ladder=ladder, stock=100, penalty=10_000.0))
    assert ladder[policy.first[0]] == lowest, "it wants to go lower, and may not"


def test_a_price_below_todays_floor_goes_up_to_it():
    ladder, floor = ladder_for(Guardrails(), cost=900, current=1000)
    assert set(ladder) == {floor}
    policy = solve_markdowns(a_problem(ladder=ladder, only_down=True, max_changes=0))
    assert ladder[policy.first[0]] == floor


@pytest.mark.parametrize(
    ("field", "value"),
    [("demand", 0.0), ("stock", -1), ("periods", 0), ("ladder", [700.0, 900.0]), ("penalty", -1.0), ("max_changes", -2),
     ("elasticity_mean", np.nan), ("current", np.inf)],
)  # fmt: skip
def test_a_value_outside_its_domain_is_named(field, value):
    with pytest.raises(ValueError, match=field):
        a_problem(**{field: value})
