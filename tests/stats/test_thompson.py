"""Thompson sampling over prices: closed forms, frequencies, learning."""

import numpy as np
import pytest

from experiments.stats.thompson import choice_probabilities, choose_arms

NAN = np.nan


def rows(*values):
    return np.array(values, dtype=np.float64)


def test_two_equal_arms_are_a_coin():
    probabilities = choice_probabilities(
        rows([3, 3]), rows([2, 2]), rows([10, 10]), np.random.default_rng(1), draws=200_000
    )
    np.testing.assert_allclose(probabilities, [[0.5, 0.5]], atol=0.005)


@pytest.mark.parametrize("ratio", [0.4, 0.75, 1.0])
def test_the_probability_of_the_dearer_arm_has_a_closed_form(ratio):
    """X ~ Beta(2, 1) worth w against Y ~ Beta(1, 1) worth w/r: P(r X > Y) = E[r X] = 2r/3 for r ≤ 1."""
    probabilities = choice_probabilities(
        rows([2, 1]), rows([1, 1]), rows([10 * ratio, 10]), np.random.default_rng(2), draws=200_000
    )
    assert probabilities[0, 0] == pytest.approx(2 * ratio / 3, abs=0.005)


def test_reward_is_price_times_probability_and_not_probability_alone():
    alpha, beta = rows([900, 600]), rows([100, 400])  # bought at 90 % and at 60 %
    worth = rows([5, 10])  # expected reward 4.50 and 6.00
    assert choice_probabilities(alpha, beta, worth, np.random.default_rng(3))[0, 1] == 1.0


def test_contexts_of_different_width_are_computed_as_if_alone():
    alpha, beta = rows([2, 5, 1], [4, 2, NAN]), rows([3, 1, 1], [2, 2, NAN])
    worth = rows([8, 9, 10], [8, 9, NAN])
    both = choice_probabilities(alpha, beta, worth, np.random.default_rng(4), draws=100_000)
    alone = choice_probabilities(alpha[1:, :2], beta[1:, :2], worth[1:, :2], np.random.default_rng(5), draws=100_000)
    assert both[1, 2] == 0.0
    np.testing.assert_allclose(both[1, :2], alone[0], atol=0.01)
    np.testing.assert_allclose(both.sum(axis=1), 1.0, rtol=1e-12)


def test_the_floor_keeps_every_arm_alive_and_nothing_else():
    alpha, beta, worth = rows([500, 1, NAN]), rows([1, 500, NAN]), rows([10, 10, NAN])
    probabilities = choice_probabilities(alpha, beta, worth, np.random.default_rng(6), floor=0.02)
    np.testing.assert_allclose(probabilities, [[0.98, 0.02, 0.0]])


def test_arms_are_drawn_as_often_as_their_propensity_says():
    probabilities = np.tile([0.5, 0.0, 0.3, 0.2, 0.0], (100_000, 1))
    arms, propensities = choose_arms(probabilities, np.random.default_rng(7).random(len(probabilities)))
    np.testing.assert_allclose(np.bincount(arms, minlength=5) / 100_000, probabilities[0], atol=0.006)
    np.testing.assert_array_equal(propensities, probabilities[0][arms])
    assert propensities.min() > 0


@pytest.mark.parametrize("alpha", [1.0, 3.0, 8.0])
def test_drawn_from_few_posterior_draws_arms_still_win_as_often_as_under_the_posterior(alpha):
    """Propensities vary from batch to batch; over batches the arm shares are Thompson's."""
    rng = np.random.default_rng(8)
    shape = (4_000, 1)
    a, b, worth = (np.tile(row, shape) for row in (rows([alpha, 2]), rows([2, 2]), rows([9, 10])))
    arms, propensities = choose_arms(choice_probabilities(a, b, worth, rng, draws=20), rng.random(len(a)))
    truth = choice_probabilities(a[:1], b[:1], worth[:1], rng, draws=200_000)[0, 0]
    assert np.mean(arms == 0) == pytest.approx(truth, abs=0.025)
    assert np.mean((arms == 0) / propensities) == pytest.approx(1.0, abs=0.06)  # inverse propensities are unbiased


def test_the_same_seed_draws_the_same():
    arguments = rows([1, 2, 3]), rows([3, 2, 1]), rows([9, 10, 11])
    first, second = (choice_probabilities(*arguments, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_share_of_the_best_price_grows_and_the_learned_rate_is_the_true_one():
    rng = np.random.default_rng(10)
    prices, rates = np.array([6.0, 8.0, 10.0, 12.0, 14.0]), np.array([0.62, 0.57, 0.52, 0.32, 0.20])
    best = int((prices * rates).argmax())
    assert best != int(rates.argmax())
    contexts = 200
    alpha, beta = np.ones((contexts, 5)), np.ones((contexts, 5))
    worth = np.tile(prices, (contexts, 1))
    shares = []
    for _ in range(300):
        arms, _propensities = choose_arms(
            choice_probabilities(alpha, beta, worth, rng, draws=50, floor=0.01), rng.random(len(alpha))
        )
        bought = rng.random(contexts) < rates[arms]
        alpha[np.arange(contexts), arms] += bought
        beta[np.arange(contexts), arms] += ~bought
        shares.append(np.mean(arms == best))
    early, late = np.mean(shares[:30]), np.mean(shares[-30:])
    assert early < 0.35 < 0.55 < late
    learned = (alpha.sum(axis=0) - contexts) / ((alpha + beta).sum(axis=0) - 2 * contexts)
    np.testing.assert_allclose(learned, rates, atol=0.06)


@pytest.mark.parametrize(
    ("alpha", "beta", "worth", "options", "named"),
    [
        (rows([1, 1]), rows([1, 1]), rows([1, 1, 1]), {}, "shapes"),
        (rows([0, 1]), rows([1, 1]), rows([1, 1]), {}, "alpha"),
        (rows([1, 1]), rows([np.inf, 1]), rows([1, 1]), {}, "beta"),
        (rows([1, 1]), rows([1, 1]), rows([NAN, NAN]), {}, "no arm"),
        (rows([1, 1]), rows([1, 1]), rows([1, 1]), {"draws": 0}, "draws"),
        (rows([1, 1]), rows([1, 1]), rows([1, 1]), {"floor": 0.6}, "floor"),
    ],
)
def test_arguments_outside_their_domain_are_refused_by_name(alpha, beta, worth, options, named):
    with pytest.raises(ValueError, match=named):
        choice_probabilities(alpha, beta, worth, np.random.default_rng(0), **options)
