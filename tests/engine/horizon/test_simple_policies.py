from dataclasses import replace

import numpy as np
import pytest

from optimizer.engine.horizon import (
    best_static_price,
    draw_problems,
    evaluate_policy,
    hold_price,
    resolved_fluid,
    share_of_optimum,
    solve_free_choice,
    solve_steps,
    step_towards,
)
from optimizer.engine.horizon.ladder import Ladder
from tests.engine.horizon.cases import a_problem


@pytest.fixture(scope="module")
def problem():
    return draw_problems(60, np.random.default_rng(7))


def shares(problem, policy, optimum):
    return share_of_optimum(problem, evaluate_policy(problem, policy).start, optimum.start)


def test_policies_keep_their_order_under_free_choice(problem):
    optimum = solve_free_choice(problem)
    hold, static = shares(problem, hold_price(problem), optimum), shares(problem, best_static_price(problem), optimum)
    fluid = shares(problem, resolved_fluid(problem), optimum)
    assert (hold <= static + 1e-12).all() and (static <= 1 + 1e-12).all() and (fluid <= 1 + 1e-12).all()
    assert static.mean() > hold.mean() + 0.05
    assert fluid.mean() > 0.98 and fluid.mean() > static.mean()


def test_policies_keep_their_order_by_steps(problem):
    optimum = solve_steps(problem)
    hold = shares(problem, hold_price(problem), optimum)
    static = shares(problem, best_static_price(problem, by_steps=True), optimum)
    fluid = shares(problem, step_towards(problem, resolved_fluid(problem)), optimum)
    assert (hold <= static + 1e-12).all() and (static <= 1 + 1e-12).all() and (fluid <= 1 + 1e-12).all()
    assert fluid.mean() > 0.98


def test_a_static_price_by_steps_is_gone_to_two_rungs_a_period():
    problem = a_problem(periods=4, stock=1, demand=9.0, min_price=8.0, max_price=20.0, elasticity=-0.5)
    rungs = best_static_price(problem, by_steps=True).rung[0, :, 0, 1]
    start, top = Ladder.of(problem).start[0], Ladder.of(problem).rungs[0] - 1
    np.testing.assert_array_equal(rungs, np.minimum(start + 2 * np.arange(1, 5), top))


def test_the_static_price_is_the_best_constant_one():
    problem = a_problem(stock=6, min_price=7.0, max_price=15.0)
    constant = [
        evaluate_policy(problem, replace(hold_price(problem), rung=np.full((1, 3, 1, 7), k, dtype=np.int8))).start[0]
        for k in range(int(Ladder.of(problem).rungs[0]))
    ]
    assert evaluate_policy(problem, best_static_price(problem)).start[0] == max(constant)


@pytest.mark.parametrize(("stock", "price"), [(5, 10 * (12 / 5) ** 0.5), (400, 2.0 * 6)])
def test_the_fluid_price_is_the_larger_of_run_out_and_markup(stock, price):
    """12 units are asked for at 10.00; e = −2 and salvage at 6 have the mark-up price 12."""
    problem = a_problem(
        periods=4, stock=stock, demand=3.0, salvage=6.0, shortage_cost=0.0, min_price=6.0, max_price=30.0
    )
    rung = resolved_fluid(problem).rung[0, 0, 0, stock]
    assert abs(np.log(Ladder.of(problem).price[0, rung] / price)) < 0.05


def test_fluid_comes_to_the_optimum_as_everything_grows():
    """Gallego and van Ryzin (1994): the loss is of the order 1/√size, or less."""
    small = a_problem(periods=6, stock=4, demand=1.0, shortage_cost=0.0, min_price=7.0, max_price=18.0)
    large = a_problem(periods=6, stock=400, demand=100.0, shortage_cost=0.0, min_price=7.0, max_price=18.0)
    loss = [1 - shares(each, resolved_fluid(each), solve_free_choice(each))[0] for each in (small, large)]
    assert 0 <= loss[1] < loss[0] / 2
