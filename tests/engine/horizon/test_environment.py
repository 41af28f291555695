import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy import stats

from optimizer.engine.horizon import (
    HorizonBatch,
    draw_problems,
    evaluate_policy,
    hold_price,
    resolved_fluid,
    solve_free_choice,
    solve_steps,
    step_towards,
)
from optimizer.engine.horizon.environment import PricingEnvironment
from optimizer.engine.horizon.observation import FEATURES
from tests.engine.horizon.cases import a_problem


def copies(problem, count):
    return problem.rows(np.zeros(count, dtype=np.int64))


def test_the_environment_keeps_gymnasiums_contract():
    for row in range(3):
        problem = draw_problems(3, np.random.default_rng(1)).rows(np.array([row]))
        check_env(PricingEnvironment(problem), skip_render_check=True)


def test_an_environment_plays_as_a_batch_of_one():
    problem = draw_problems(1, np.random.default_rng(2))
    environment, batch = PricingEnvironment(problem), HorizonBatch(problem, np.random.default_rng(11))
    seen, details = environment.reset(seed=11)
    np.testing.assert_array_equal(seen, batch.observation()[0])
    done, actions = False, np.random.default_rng(3)
    while not done:
        action = actions.integers(5)
        seen, reward, done, cut, details = environment.step(action)
        wanted, rewards, ended = batch.step(np.array([action]))
        np.testing.assert_array_equal(seen, wanted[0])
        assert (reward, done, cut) == (rewards[0], ended[0], False)
        assert details["price"] == batch.price[0] and details["stock"] == batch.stock[0]
    assert batch.period[0] == problem.periods[0]


def test_environment_and_batch_agree_in_distribution():
    problem = draw_problems(1, np.random.default_rng(5))
    actions = np.random.default_rng(6).integers(0, 5, problem.periods[0])
    environment, alone = PricingEnvironment(problem), []
    for seed in range(400):
        environment.reset(seed=seed)
        alone.append(sum(environment.step(action)[1] for action in actions))
    batch = HorizonBatch(copies(problem, 4000), np.random.default_rng(7))
    together = sum(batch.step(np.full(4000, action))[1] for action in actions)
    assert stats.ks_2samp(alone, together).pvalue > 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda problem: solve_free_choice(problem).policy,
        lambda problem: solve_steps(problem).policy,
        lambda problem: step_towards(problem, resolved_fluid(problem)),
    ],
    ids=["free choice", "steps", "fluid"],
)
def test_simulated_profit_is_the_value_within_its_standard_error(make):
    problem, plays = draw_problems(20, np.random.default_rng(8)), 3000
    policy = make(problem)
    batch, profit = HorizonBatch(problem, np.random.default_rng(9)), np.empty((plays, 20))
    for play in range(plays):
        batch.reset()
        profit[play] = batch.play_policy(policy)
    error = profit.mean(axis=0) - evaluate_policy(problem, policy).start
    z = error / (profit.std(axis=0) / np.sqrt(plays))
    assert np.abs(z).max() < 3.5  # of 20 standard normal numbers: beyond in 1 of 100 seeds
    assert (z**2).sum() < stats.chi2(20).ppf(0.99)


def test_a_period_pays_margin_less_shortage_and_the_last_one_salvage():
    problem = a_problem(periods=2, stock=5, demand=3.0)
    batch = HorizonBatch(problem, np.random.default_rng(4))
    stock = 5
    for period in range(2):
        _, reward, done = batch.step(np.array([3]))
        sold, price = stock - batch.stock[0], 10 * np.exp(0.05 * (period + 1))
        assert sold == min(batch.demand[0], stock)
        wanted = (price - 6) * sold - 0.5 * (batch.demand[0] - sold) + (period == 1) * (2 - 6) * batch.stock[0]
        assert reward[0] == pytest.approx(wanted, rel=1e-12)
        assert done[0] == (period == 1)
        stock = batch.stock[0]


def test_actions_stop_at_the_guardrails_and_the_mask_says_so():
    batch = HorizonBatch(a_problem(periods=9, max_price=11.1), np.random.default_rng(1))
    np.testing.assert_array_equal(batch.action_mask()[0], [True] * 5)
    batch.step(np.array([4]))
    np.testing.assert_array_equal(batch.action_mask()[0], [True, True, True, False, False])
    before = batch.price.copy()
    batch.step(np.array([4]))
    assert batch.price == before <= 11.1


def test_observations_say_what_their_names_say():
    problem = a_problem(
        periods=3, stock=8, season=[[0.5, 1.5, 1.0]], competitor=[[9.0, 12.0, 10.0]], start_price=10.5, demand=2.0
    )
    batch = HorizonBatch(problem, np.random.default_rng(1))
    seen, _, _ = batch.step(np.array([1]))
    price = 10.5 * np.exp(-0.05)
    wanted = {
        "price": np.log(price / 10), "demand": batch.demand[0] / 2, "inventory": batch.stock[0] / 8,
        "competitor": np.log(1.2), "season": 1.5, "time_left": 2 / 3, "load": np.log((batch.stock[0] + 1) / 6.0),
        "unit_cost": 0.6, "salvage": 0.2, "shortage_cost": 0.05, "elasticity": -2.0,
        "room_below": np.log(price / 9), "room_above": np.log(11.1 / price),
    }  # fmt: skip
    assert tuple(wanted) == FEATURES
    np.testing.assert_allclose(seen[0], list(wanted.values()), rtol=1e-6)


def test_what_has_ended_stands_still_until_it_is_begun_anew():
    problem = a_problem(2, periods=[1, 3])
    batch = HorizonBatch(problem, np.random.default_rng(2))
    batch.step(np.array([2, 2]))
    stock = batch.stock.copy()
    seen, reward, done = batch.step(np.array([0, 2]))
    assert list(done) == [True, False] and reward[0] == 0 and batch.stock[0] == stock[0]
    assert seen[0, FEATURES.index("time_left")] == 0
    batch.restart(done)
    assert batch.stock[0] == 4 and list(batch.done) == [False, False] and batch.period[1] == 2


def test_the_same_seed_plays_the_same():
    problem = draw_problems(50, np.random.default_rng(1))
    one, two, other = (HorizonBatch(problem, np.random.default_rng(seed)) for seed in (3, 3, 4))
    profit = [batch.play_policy(hold_price(problem)) for batch in (one, two, other)]
    np.testing.assert_array_equal(profit[0], profit[1])
    assert (profit[0] != profit[2]).any()


@pytest.mark.parametrize("action", [[-1, 2], [2, 5], [2], [1.0, 2.0], [True, False]])
def test_what_is_no_action_is_refused(action):
    with pytest.raises(ValueError, match="action: give 2 whole numbers from 0 to 4"):
        HorizonBatch(a_problem(2), np.random.default_rng(1)).step(np.array(action))


def test_more_than_one_problem_is_refused():
    with pytest.raises(ValueError, match="problem: 2 rows; give one"):
        PricingEnvironment(a_problem(2))
