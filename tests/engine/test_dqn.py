"""The Q-network: what it learns, what it is taught, and how it is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from optimizer.engine.horizon import (
    HorizonBatch,
    ProblemRanges,
    draw_problems,
    evaluate_policy,
    share_of_optimum,
    solve_steps,
)
from optimizer.engine.horizon.ladder import Ladder
from optimizer.engine.q_learning import DqnConfig, from_bytes, greedy_policy, score_policies, to_bytes, train_dqn
from optimizer.engine.q_learning import artefact as artefacts
from optimizer.engine.q_learning.network import QNetwork, best_action
from optimizer.engine.q_learning.returns import double_value, n_step_return
from optimizer.engine.q_learning.sight import FEATURES, Sight
from optimizer.engine.q_learning.training import new_network

EASY = ProblemRanges(periods=(2, 4), demand=(2.0, 6.0))
SMALL = DqnConfig(
    hidden=(32, 32),
    batch=256,
    demands=2,
    n_step=1,
    learning_rate=3e-3,
    max_updates=300,
    validate_every=300,
    ranges=EASY,
    device="cpu",
)
QUICK = replace(SMALL, max_updates=4, validate_every=2, batch=32, n_step=3)


def _network(seed: int = 0) -> QNetwork:
    return new_network(seed, SMALL.hidden, torch.device("cpu"))


def test_a_trained_network_earns_nearly_the_exact_optimum_of_problems_it_has_not_seen() -> None:
    trained = train_dqn(SMALL)
    problem = draw_problems(60, np.random.default_rng(2026), EASY)
    optimum = solve_steps(problem).start
    share = share_of_optimum(problem, evaluate_policy(problem, greedy_policy(trained.network, problem)).start, optimum)
    untrained = evaluate_policy(problem, greedy_policy(_network(), problem)).start
    assert share.mean() > 0.99
    assert (share <= 1 + 1e-9).all()
    assert share_of_optimum(problem, untrained, optimum).mean() < share.mean() - 0.02


def test_the_same_seed_gives_the_same_network_and_another_seed_another() -> None:
    first, again, other = (train_dqn(config).network for config in (QUICK, QUICK, replace(QUICK, seed=1)))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_training_leaves_the_random_numbers_of_the_process_alone() -> None:
    before = torch.random.get_rng_state()
    train_dqn(QUICK)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_greedy_policy_moves_by_admitted_steps_only() -> None:
    problem = draw_problems(6, np.random.default_rng(3), EASY)
    ladder, policy = Ladder.of(problem), greedy_policy(_network(), problem)
    for row in range(len(problem)):
        periods, rungs, stock = problem.periods[row], ladder.rungs[row], problem.stock[row] + 1
        rung = policy.rung[row, :periods, :rungs, :stock]
        assert (rung >= 0).all()
        assert (rung < rungs).all()
        assert (np.abs(rung - np.arange(rungs)[None, :, None]) <= 2).all()


def test_best_action_skips_what_the_mask_excludes_even_where_it_is_valued_most() -> None:
    values = torch.tensor([[9.0, 1.0, 2.0, 3.0, 8.0]])
    assert best_action(values, torch.tensor([[False, True, True, True, False]])).tolist() == [3]


def test_masks_of_sight_are_those_of_the_environment() -> None:
    problem = draw_problems(50, np.random.default_rng(4))
    batch, sight = HorizonBatch(problem, np.random.default_rng(5)), Sight(problem)
    batch.rung = np.random.default_rng(6).integers(0, sight.ladder.rungs)
    np.testing.assert_array_equal(sight.mask(np.arange(50), batch.rung), batch.action_mask())


def test_the_target_network_values_the_action_that_the_online_network_would_take() -> None:
    online = torch.tensor([[1.0, 2.0, 9.0, 0.0, 0.0], [5.0, 1.0, 1.0, 1.0, 1.0]])
    target = torch.tensor([[7.0, 3.0, 8.0, 0.0, 0.0], [-1.0, 6.0, 6.0, 6.0, 6.0]])
    mask = torch.tensor([[True, True, False, True, True], [True] * 5])
    assert double_value(online, target, mask).tolist() == [3.0, -1.0]


def test_n_step_returns_stop_at_the_end_of_a_problem() -> None:
    reward = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    done = torch.tensor([[False, False, False], [False, True, True], [False, False, True]])
    ahead = torch.tensor([10.0, 20.0, 30.0])
    assert n_step_return(reward, done, ahead).tolist() == [17.0, 3.0, 7.0]


def test_shaped_rewards_sum_to_the_profit_less_the_potential_at_the_beginning() -> None:
    problem = draw_problems(20, np.random.default_rng(7), EASY)
    batch, sight, row = HorizonBatch(problem, np.random.default_rng(8)), Sight(problem), np.arange(20)
    first = sight.look(row, batch.period, batch.rung, batch.stock)
    profit, shaped, before = np.zeros(20), np.zeros(20), first
    while not batch.done.all():
        running = ~batch.done
        reward = batch.play(batch.rung)
        after = sight.look(row, batch.period, batch.rung, batch.stock)
        profit += reward
        shaped += np.where(running, reward + after.potential - before.potential, 0.0)
        before = after
    np.testing.assert_allclose(shaped, profit - first.potential, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("elasticity", [-1.0, -0.5, 0.0, 0.5])
def test_a_demand_that_answers_little_or_the_wrong_way_is_seen_in_finite_numbers(elasticity: float) -> None:
    drawn = draw_problems(20, np.random.default_rng(13), EASY)
    problem = replace(drawn, elasticity=np.full(20, elasticity), salvage=np.zeros(20))
    row = np.arange(20)
    for stock in (problem.stock, problem.stock * 0):
        view = Sight(problem).look(row, row * 0, Ladder.of(problem).start, stock)
        assert np.isfinite(view.features).all()
        assert np.isfinite(view.potential).all()
        assert (view.scale > 0).all()


def test_sight_has_no_money_in_it() -> None:
    problem = draw_problems(30, np.random.default_rng(9))
    money = {
        name: getattr(problem, name) * 37.0
        for name in (
            "unit_cost",
            "salvage",
            "shortage_cost",
            "start_price",
            "min_price",
            "max_price",
            "reference",
            "competitor",
        )
    }
    row = np.arange(30)
    state = row, row * 0, Ladder.of(problem).start, problem.stock
    one, other = Sight(problem).look(*state), Sight(replace(problem, **money)).look(*state)
    np.testing.assert_allclose(one.features, other.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.scale * 37.0, other.scale, rtol=1e-6)
    assert one.features.shape == (30, len(FEATURES))


def test_an_artefact_brings_back_the_same_network() -> None:
    network = _network()
    again, config = from_bytes(to_bytes(network, SMALL))
    assert config == SMALL
    seen = torch.from_numpy(np.random.default_rng(10).normal(size=(5, len(FEATURES))).astype(np.float32))
    assert torch.equal(network(seen), again(seen))


@pytest.mark.parametrize(
    ("name", "value"), [("FEATURES", (*FEATURES[:-1], "weather")), ("VERSION", 99), ("STEP", 0.04)]
)
def test_an_artefact_of_other_features_version_or_steps_is_refused(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = to_bytes(_network(), SMALL)
    monkeypatch.setattr(artefacts, name, value)
    with pytest.raises(ValueError, match=f"^{name.lower()}: .*train it again"):
        from_bytes(data)


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_bytes_that_are_no_artefact_are_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="policy: not a file of a trained policy"):
        from_bytes(to_bytes(_network(), SMALL)[:cut])


def test_an_artefact_with_a_weight_that_is_not_finite_is_refused() -> None:
    network = _network()
    with torch.no_grad():
        network.value.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="not a finite float32"):
        from_bytes(to_bytes(network, SMALL))


def test_an_artefact_that_claims_other_layers_than_it_has_is_refused_before_they_take_memory() -> None:
    with pytest.raises(ValueError, match="weights are not those of its configuration"):
        from_bytes(to_bytes(_network(), replace(SMALL, hidden=(10_000_000, 10_000_000))))


def test_scores_rank_the_exact_optimum_first_and_hold_its_share_at_one() -> None:
    scores = score_policies(_network(), draw_problems(12, np.random.default_rng(11), EASY))
    assert scores.problems == 12
    assert scores.ranking()[0] == "exact"
    assert scores.scores["exact"].mean == pytest.approx(1)
    assert all(score.worst <= score.mean <= 1 + 1e-9 for score in scores.scores.values())
    assert scores.best_learned_or_simple() == scores.ranking()[1]


def test_scores_of_problems_too_large_to_solve_are_refused() -> None:
    with pytest.raises(ValueError, match=r"problem: .* states to solve, 10 allowed"):
        score_policies(_network(), draw_problems(2, np.random.default_rng(12), EASY), max_states=10)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch", 0),
        ("n_step", 0),
        ("seed", -1),
        ("hidden", ()),
        ("learning_rate", 0.0),
        ("target_rate", 1.5),
        ("average_decay", 1.0),
        ("epsilon", -0.1),
        ("max_seconds", 0.0),
    ],
)
def test_a_configuration_outside_its_domain_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        replace(SMALL, **{field: value})


def test_training_stops_when_validation_no_longer_gets_better() -> None:
    told = []
    trained = train_dqn(replace(QUICK, max_updates=200, validate_every=1, patience=3, learning_rate=1e-12), told.append)
    assert trained.updates < 200
    assert trained.share == max(now.share for now in told)
