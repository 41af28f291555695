from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from optimizer.engine.horizon import (
    Policy,
    draw_problems,
    evaluate_policy,
    share_of_optimum,
    solve_free_choice,
    solve_steps,
    step_towards,
)
from optimizer.engine.horizon.ladder import Ladder
from tests.engine.horizon.brute_force import Courses
from tests.engine.horizon.cases import a_problem


def without_shortage(problem):
    return replace(problem, shortage_cost=np.zeros(len(problem)))


NARROW = {"periods": 2, "min_price": 9.4, "max_price": 10.6}
TINY = [
    a_problem(stock=2, **NARROW),
    a_problem(stock=2, start_price=9.4, demand=3.0, shortage_cost=2.0, **NARROW),
    a_problem(stock=2, demand=0.4, season=[[0.5, 2.0]], salvage=5.0, **NARROW),
    a_problem(stock=2, elasticity=-6.0, competitor=[[8.0, 12.0]], cross_elasticity=1.5, **NARROW),
]


@pytest.mark.parametrize("problem", TINY)
def test_free_choice_is_the_best_of_all_policies(problem):
    """No policy needs the price before, so those that look at it are tried too and may not bring more."""
    best = Courses(problem).best_profit(reach=9)
    assert solve_free_choice(problem).start[0] == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(
    "problem", [TINY[1], a_problem(periods=2, stock=1, min_price=8.1, max_price=10, demand=2.0, shortage_cost=0.0)]
)
def test_steps_are_the_best_of_all_policies_of_steps(problem):
    best = Courses(problem).best_profit(reach=2)
    assert solve_steps(problem).start[0] == pytest.approx(best, rel=1e-12)


def test_any_policy_is_worth_what_enumeration_says():
    problem = a_problem(periods=3, stock=3, season=[[1.0, 1.5, 0.7]])
    rungs = int(Ladder.of(problem).rungs[0])
    rung = np.random.default_rng(3).integers(0, rungs, (1, 3, rungs, 4)).astype(np.int8)
    expected = Courses(problem).expected_profit(lambda period, before, stock: int(rung[0, period, before, stock]))
    assert evaluate_policy(problem, Policy(rung)).start[0] == pytest.approx(expected, rel=1e-12)


def test_one_period_is_the_newsvendor_at_the_best_price():
    problem = a_problem(periods=1, stock=7, demand=6.0, min_price=6.0, max_price=20.0)
    price = Ladder.of(problem).price[0]
    mean = 6.0 * (price / 10) ** -2.0
    units = np.arange(100)
    sold = np.minimum(units, 7) @ stats.poisson(mean).pmf(units[:, None])
    profit = (price - 6.0) * sold - 0.5 * (mean - sold) - 4.0 * (7 - sold)
    solved = solve_free_choice(problem)
    assert solved.start[0] == pytest.approx(profit.max(), rel=1e-12)
    assert solved.policy.rung[0, 0, 0, 7] == profit.argmax()


def test_with_stock_for_all_every_period_takes_the_markup_of_the_elasticity():
    problem = a_problem(
        periods=8, stock=400, demand=4.0, salvage=6.0, elasticity=-2.5, min_price=6.0, max_price=20.0,
        season=[np.linspace(0.5, 2, 8)],
    )  # fmt: skip
    solved = solve_free_choice(problem)
    price = Ladder.of(problem).price[0]
    taken = price[solved.policy.rung[0, :, 0, 400]]
    assert np.abs(np.log(taken / (6.0 * 2.5 / 1.5))).max() < 0.05
    profit = ((price - 6.0) * 4.0 * (price / 10) ** -2.5).max() * problem.season.sum()
    assert solved.start[0] == pytest.approx(profit, rel=1e-12)


def test_a_unit_more_and_a_period_more_never_lose():
    """By steps a period more may: it sells at a price that is still on its way up."""
    problem = without_shortage(draw_problems(30, np.random.default_rng(1)))
    for solved in (solve_free_choice(problem), solve_steps(problem)):
        for row in range(30):
            periods, stock, rungs = problem.periods[row], problem.stock[row], Ladder.of(problem).rungs[row]
            value = solved.value[row, : periods + 1, :rungs, : stock + 1]
            proceeds = value + problem.unit_cost[row] * np.arange(stock + 1)  # the stock on hand is paid for
            assert (np.diff(proceeds, axis=2) >= -1e-9).all()
            assert value.shape[1] > 1 or (np.diff(proceeds, axis=0) <= 1e-9).all()


def test_where_periods_are_short_the_optimum_is_shaped_as_gallego_and_van_ryzin_say():
    """They prove it in continuous time: concave in stock, the price falls with stock and as time runs out."""
    problem = a_problem(
        periods=60, stock=10, demand=0.1, shortage_cost=0.0, min_price=7.0, max_price=20.0, elasticity=-1.8
    )
    solved = solve_free_choice(problem)
    assert (np.diff(solved.value[0, :, 0], n=2, axis=1) <= 1e-9).all()
    rung = solved.policy.rung[0, :, 0, 1:]
    assert (np.diff(rung, axis=1) <= 0).all() and (np.diff(rung, axis=0) <= 0).all()
    assert rung[0, 0] > rung[0, -1] and rung[0, 0] > rung[-1, 0]


def test_steps_bring_no_more_than_free_choice_and_their_policies_are_worth_their_values():
    problem = draw_problems(40, np.random.default_rng(3))
    free, steps = solve_free_choice(problem), solve_steps(problem)
    assert (steps.start <= free.start + 1e-9).all()
    for solved in (free, steps):
        np.testing.assert_allclose(evaluate_policy(problem, solved.policy).start, solved.start, rtol=1e-12)


def test_problems_are_solved_alike_alone_and_among_others():
    problem = draw_problems(12, np.random.default_rng(4))
    together = solve_steps(problem).start
    alone = [solve_steps(problem.rows(np.array([row]))).start[0] for row in range(12)]
    np.testing.assert_allclose(together, alone, rtol=1e-13)


def test_a_share_is_of_what_is_earned_above_salvage():
    problem = a_problem(stock=4)
    assert share_of_optimum(problem, np.array([-16.0]), np.array([4.0])) == 0
    assert share_of_optimum(problem, np.array([-6.0]), np.array([4.0])) == 0.5
    assert np.isnan(share_of_optimum(problem, np.array([-20.0]), np.array([-16.0])))


def test_steps_towards_a_price_are_two_rungs_long():
    problem = a_problem(min_price=5 * 1.3, max_price=16.0)
    top = int(Ladder.of(problem).rungs[0]) - 1
    towards = step_towards(problem, Policy(np.full((1, 3, 1, 5), top, dtype=np.int8)))
    np.testing.assert_array_equal(towards.rung[0, 0, :, 0], np.minimum(np.arange(top + 1) + 2, top))


def test_a_policy_of_other_problems_is_refused():
    other = solve_free_choice(a_problem(stock=3)).policy
    with pytest.raises(ValueError, match="policy: "):
        evaluate_policy(a_problem(stock=4), other)
    with pytest.raises(ValueError, match="not on the ladder"):
        evaluate_policy(a_problem(), Policy(np.full((1, 3, 1, 5), 90, dtype=np.int8)))
