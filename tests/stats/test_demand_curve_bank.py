"""The default bandit: its propensities are what they say, it learns whatever the order, and it notices change."""

import numpy as np
import pytest
from scipy.special import expit

from experiments.stats.demand_curve_bank import DemandCurveBank, _averaged, _shares_of_means, _shares_of_one
from experiments.stats.demand_library import demand_library
from experiments.stats.outcome_counts import OutcomeCounts

PRICES = np.linspace(10.0, 30.0, 11)
CONTEXTS = 40


def drawn_rates(rng, contexts=CONTEXTS):
    middle, scale = rng.uniform(12, 30, contexts), rng.uniform(1.5, 5, contexts)
    return expit((middle[:, None] - PRICES) / scale[:, None])


def learned_epochs(counts, rates, epochs, rng, size=400):
    for epoch in epochs:
        contexts, arms = rng.integers(0, len(rates), size), rng.integers(0, 11, size)
        counts.record_decisions(contexts, arms, np.full(size, epoch))
        counts.learn(contexts, arms, rng.random(size) < rates[contexts, arms], np.full(size, epoch))


@pytest.fixture(scope="module")
def learned():
    rng = np.random.default_rng(1)
    rates, counts = drawn_rates(rng), OutcomeCounts.empty(CONTEXTS, 11)
    learned_epochs(counts, rates, range(6), rng)
    return rates, counts


def worth(contexts=CONTEXTS):
    return np.tile(PRICES, (contexts, 1))


def test_the_share_of_one_curve_equals_a_loop_and_the_frequency_of_draws(learned):
    _, counts = learned
    belief, library = DemandCurveBank().belief(counts, epoch=5), demand_library(11)
    shares = _shares_of_one(belief, library.rates, worth())
    plain = np.zeros(11)
    for weight, rates in zip(belief[3].tolist(), library.rates, strict=True):
        plain[int(np.argmax(rates * PRICES))] += weight
    np.testing.assert_allclose(shares[3], plain / plain.sum(), rtol=1e-4, atol=1e-7)
    rng = np.random.default_rng(2)
    curves = rng.choice(len(library.rates), 20_000, p=belief[3].astype(float) / belief[3].astype(float).sum())
    found = np.bincount((library.rates[curves] * PRICES).argmax(axis=1), minlength=11) / 20_000
    np.testing.assert_allclose(shares[3], found, atol=0.015)


def test_the_share_of_means_is_near_that_of_means_of_curves_really_drawn(learned):
    _, counts = learned
    belief, library = DemandCurveBank().belief(counts, epoch=5), demand_library(11)
    rng = np.random.default_rng(3)
    shares = _shares_of_means(belief, library, worth(), 20, 20_000, rng)
    for context in (0, 7, 21):
        weight = belief[context].astype(float)
        curves = rng.choice(len(weight), (4_000, 20), p=weight / weight.sum())
        mean = library.rates[curves].mean(axis=1)
        found = np.bincount((mean * PRICES).argmax(axis=1), minlength=11) / 4_000
        np.testing.assert_allclose(shares[context], found, atol=0.06)


def test_late_outcomes_give_the_same_hypotheses_as_all_at_once_bit_for_bit():
    rng, late_policy = np.random.default_rng(4), DemandCurveBank()
    rates = drawn_rates(rng)
    contexts, arms = rng.integers(0, CONTEXTS, 1_500), rng.integers(0, 11, 1_500)
    bought, epochs = rng.random(1_500) < rates[contexts, arms], rng.integers(0, 7, 1_500)
    counts = OutcomeCounts.empty(CONTEXTS, 11)
    for rows in np.array_split(rng.permutation(1_500), 5):
        counts.learn(contexts[rows], arms[rows], bought[rows], epochs[rows])
        late_policy.propensities(counts, worth(), epoch=6, rng=rng)
    fresh = OutcomeCounts.empty(CONTEXTS, 11)
    fresh.learn(contexts, arms, bought, epochs)
    for one, other in zip(
        late_policy.hypotheses(counts, epoch=6), DemandCurveBank().hypotheses(fresh, epoch=6), strict=True
    ):
        assert (one.drift, one.born, one.log_weight) == (other.drift, other.born, other.log_weight)
        np.testing.assert_array_equal(one.likelihood, other.likelihood)
        np.testing.assert_array_equal(one.prior.weights, other.prior.weights)


def test_a_policy_that_saw_other_counts_before_is_not_misled(learned):
    _, counts = learned
    used, other = DemandCurveBank(), OutcomeCounts.empty(CONTEXTS, 11)
    learned_epochs(other, drawn_rates(np.random.default_rng(5)), range(6), np.random.default_rng(6))
    used.propensities(other, worth(), epoch=5, rng=np.random.default_rng(7))
    np.testing.assert_array_equal(
        used.propensities(counts, worth(), epoch=5, rng=np.random.default_rng(7)),
        DemandCurveBank().propensities(counts, worth(), epoch=5, rng=np.random.default_rng(7)),
    )


def reborn(policy, counts, epoch):
    """Return the weight of every birth epoch."""
    weights: dict[int, float] = {}
    for one in policy.hypotheses(counts, epoch=epoch):
        weights[one.born] = weights.get(one.born, 0.0) + float(np.exp(one.log_weight))
    return weights


def test_a_jump_of_all_contexts_is_found_within_an_epoch_and_still_demand_raises_no_alarm():
    rng, found, alarms = np.random.default_rng(8), 0, 0
    for _ in range(5):
        policy, counts = DemandCurveBank(), OutcomeCounts.empty(CONTEXTS, 11)
        learned_epochs(counts, drawn_rates(rng), range(8), rng)
        alarms += reborn(policy, counts, 7).get(0, 0.0) < 0.9
        learned_epochs(counts, drawn_rates(rng), [8], rng)
        found += reborn(policy, counts, 8).get(8, 0.0) > 0.9
    assert (found, alarms) == (5, 0)


def test_one_context_that_jumps_alone_is_believed_anew_and_the_others_are_not():
    rng, policy, counts = np.random.default_rng(9), DemandCurveBank(), OutcomeCounts.empty(CONTEXTS, 11)
    rates = drawn_rates(rng)
    rates[0] = expit((14 - PRICES) / 2)
    learned_epochs(counts, rates, range(10), rng, size=2_000)
    changed = rates.copy()
    changed[0] = expit((29 - PRICES) / 2)
    learned_epochs(counts, changed, range(10, 12), rng, size=2_000)
    assert reborn(policy, counts, 11)[0] > 0.99
    propensities = policy.propensities(counts, worth(), epoch=11, rng=rng)
    assert propensities[0, (changed * PRICES)[0].argmax() - 1 : (changed * PRICES)[0].argmax() + 2].sum() > 0.9
    chosen = (propensities * rates * PRICES).sum(axis=1)[1:]
    assert (chosen / (rates * PRICES).max(axis=1)[1:]).mean() > 0.98


def test_what_is_on_its_way_is_not_explored_again(learned):
    """Many decisions without outcome: propensities draw together at the price that is best by what is known."""
    _, counts = learned
    waiting = OutcomeCounts.from_json(counts.to_json())
    waiting.record_decisions(np.zeros(200_000, int), np.zeros(200_000, int), np.full(200_000, 5))
    first, second = (
        DemandCurveBank().propensities(each, worth(), epoch=5, rng=np.random.default_rng(10))
        for each in (counts, waiting)
    )
    assert second.max(axis=1).mean() > first.max(axis=1).mean() + 0.1


def test_contexts_of_different_worth_are_judged_by_their_own(learned):
    _, counts = learned
    margins = worth()
    margins[1] -= 9.5
    both = DemandCurveBank().propensities(counts, margins, epoch=5, rng=np.random.default_rng(11))
    alone = DemandCurveBank().propensities(counts, worth(), epoch=5, rng=np.random.default_rng(11))
    np.testing.assert_allclose(both[2:], alone[2:], atol=1e-6)
    assert both[1] @ PRICES > alone[1] @ PRICES + 0.3


def test_the_mean_of_belief_is_a_distribution(learned):
    _, counts = learned
    belief = _averaged(DemandCurveBank().hypotheses(counts, epoch=5))
    np.testing.assert_allclose(belief.sum(axis=1), 1.0, atol=1e-3)
