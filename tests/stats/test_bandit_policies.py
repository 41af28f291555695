"""What all bandit policies promise, and those with a Beta posterior an arm against plain references."""

import json
import math

import numpy as np
import pytest

from experiments.stats.beta_bernoulli import BetaBernoulli
from experiments.stats.change_point import ChangePointRestart
from experiments.stats.demand_curve_bank import DemandCurveBank
from experiments.stats.discounted import Discounted
from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policies import POLICIES
from experiments.stats.policy_names import DEFAULT_POLICY, POLICY_LABELS, REFERENCE_POLICY
from experiments.stats.pooled_prior import STRENGTHS, PooledPrior
from experiments.stats.sliding_window import SlidingWindow

PRICES = np.linspace(10, 30, 5)
each_policy = pytest.mark.parametrize("policy", [make() for make in POLICIES.values()], ids=list(POLICIES))


def simulated(seed=1, contexts=4, epochs=6, size=1_500, rates=None):
    rng = np.random.default_rng(seed)
    context, arm, epoch = (rng.integers(0, top, size) for top in (contexts, 5, epochs))
    rate = np.linspace(0.8, 0.1, 5)[arm] if rates is None else rates[epoch, context, arm]
    return context, arm, rng.random(size) < rate, epoch


def counted(policy, batch, contexts=4):
    counts = policy.prior(contexts, 5)
    policy.learn(counts, *batch)
    return counts


def worth(contexts=4):
    return np.tile(PRICES, (contexts, 1))


@each_policy
def test_propensities_sum_to_one_and_arms_come_as_often_as_they_say(policy):
    counts, rng = counted(policy, simulated(size=60)), np.random.default_rng(2)
    propensities = policy.propensities(counts, worth(), epoch=5, rng=rng)
    np.testing.assert_allclose(propensities.sum(axis=1), 1.0, rtol=1e-9)
    arms, kept = policy.choose(propensities, np.full(50_000, 2), rng)
    np.testing.assert_allclose(np.bincount(arms, minlength=5) / 50_000, propensities[2], atol=0.012)
    np.testing.assert_array_equal(kept, propensities[2][arms])
    assert kept.min() > 0


@each_policy
def test_the_same_outcomes_in_any_order_give_the_same_propensities_bit_for_bit(policy):
    batch = simulated()
    shuffled = np.random.default_rng(3).permutation(len(batch[0]))
    first, other = counted(policy, batch), policy.prior(4, 5)
    for rows in np.array_split(shuffled, 13):
        policy.learn(other, *(part[rows] for part in batch))
    restored = OutcomeCounts.from_json(json.loads(json.dumps(other.to_json())))
    drawn = [
        policy.propensities(counts, worth(), epoch=5, rng=np.random.default_rng(4))
        for counts in (first, other, restored)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


@each_policy
def test_an_absent_arm_is_never_played_and_the_floor_holds(policy):
    policy = type(policy)(floor=0.02)
    ladder = worth()
    ladder[1, 4] = np.nan
    propensities = policy.propensities(counted(policy, simulated()), ladder, epoch=5, rng=np.random.default_rng(5))
    assert propensities[1, 4] == 0.0
    assert propensities[~np.isnan(ladder)].min() >= 0.02 - 1e-12
    np.testing.assert_allclose(propensities.sum(axis=1), 1.0, rtol=1e-9)


@each_policy
def test_outcomes_of_later_epochs_are_not_looked_at(policy):
    batch = simulated()
    early = [part[batch[3] <= 2] for part in batch]
    drawn = [
        policy.propensities(counted(policy, which), worth(), epoch=2, rng=np.random.default_rng(6))
        for which in (batch, early)
    ]
    np.testing.assert_array_equal(*drawn)


@each_policy
def test_the_best_price_is_found_and_not_the_one_that_sells_most(policy):
    """Bought at 100, 100, 91, 27 and 1 %: reward 10, 15, 18, 7 and 0."""
    rates = np.broadcast_to(1 / (1 + np.exp((PRICES - 23.5) / 1.5)), (6, 4, 5))
    counts = counted(policy, simulated(size=8_000, rates=rates))
    propensities = policy.propensities(counts, worth(), epoch=5, rng=np.random.default_rng(7))
    assert (propensities.argmax(axis=1) == 2).all()
    assert propensities[:, 2].min() > 0.75


def plain_posterior(batch, weight_of):
    alpha, beta = np.ones((4, 5)), np.ones((4, 5))
    for context, arm, bought, epoch in sorted(zip(*batch, strict=True), key=lambda row: row[3]):
        (alpha if bought else beta)[context, arm] += weight_of(epoch)
    return alpha, beta


@pytest.mark.parametrize(
    ("policy", "weight_of"),
    [
        (BetaBernoulli(), lambda epoch: 1.0),
        (Discounted(discount=0.8), lambda epoch: 0.8 ** (5 - epoch)),
        (SlidingWindow(window=3), lambda epoch: float(epoch >= 3)),
    ],
    ids=["all", "discounted", "window"],
)
def test_posteriors_equal_a_plain_loop(policy, weight_of):
    batch = simulated()
    posterior = policy.posterior(counted(policy, batch), epoch=5)
    np.testing.assert_allclose(posterior, plain_posterior(batch, weight_of), rtol=1e-12)


def test_a_discount_of_one_forgets_nothing_and_a_small_one_keeps_the_last_epoch():
    counts = counted(BetaBernoulli(), simulated())
    everything = BetaBernoulli().posterior(counts, epoch=5)
    np.testing.assert_array_equal(Discounted(discount=1.0).posterior(counts, epoch=5), everything)
    last = 1.0 + counts.purchases[5], 1.0 + counts.rejections[5]
    np.testing.assert_allclose(Discounted(discount=1e-12).posterior(counts, epoch=5), last, atol=1e-9)


def test_what_a_window_forgets_it_would_not_have_looked_at():
    policy, kept = SlidingWindow(window=3), None
    for forgets in (False, True):
        counts = counted(policy, simulated())
        if forgets:
            policy.forget(counts, epoch=5)
            assert counts.first_epoch == 2
        counts.learn([0, 0], [1, 1], [True, False], [0, 5])  # one too late to matter, one of today
        posterior = policy.posterior(counts, epoch=5)
        if kept is not None:
            np.testing.assert_array_equal(posterior, kept)
        kept = posterior


def jumping(rng, contexts, epochs, at, size=40):
    """Return counts of (epoch, context) batches whose five rates are drawn anew in epoch ``at``."""
    counts = OutcomeCounts.empty(contexts, 5)
    before, after = rng.uniform(0.1, 0.9, (2, contexts, 5))
    for epoch in range(epochs):
        context = np.repeat(np.arange(contexts), size)
        arm = rng.integers(0, 5, len(context))
        rates = (before if epoch < at else after)[context, arm]
        counts.learn(context, arm, rng.random(len(arm)) < rates, np.full(len(arm), epoch))
    return counts


def test_a_jump_of_all_contexts_is_found_within_an_epoch():
    rng = np.random.default_rng(8)
    for _ in range(10):
        counts = jumping(rng, contexts=20, epochs=15, at=11)
        assert (ChangePointRestart().change_points(counts, epoch=11) == 11).all()
        assert (ChangePointRestart().change_points(counts, epoch=14) == 11).all()


def test_a_context_that_jumps_alone_restarts_alone():
    rng = np.random.default_rng(9)
    still, jumped = jumping(rng, 8, 20, at=99, size=60), jumping(rng, 8, 20, at=12, size=60)
    for name in ("purchases", "rejections"):
        getattr(still, name)[:, 0] = getattr(jumped, name)[:, 0]
    starts = ChangePointRestart().change_points(still, epoch=19)
    assert abs(starts[0] - 12) <= 1
    assert (starts[1:] == 0).all()


def test_still_demand_raises_few_false_alarms():
    rng = np.random.default_rng(10)
    alarms = sum(
        int((ChangePointRestart().change_points(jumping(rng, 10, 25, at=99), epoch=24) > 0).sum()) for _ in range(30)
    )
    assert alarms <= 3  # of 300 contexts over 25 epochs


def test_evidence_of_a_change_equals_the_beta_function():
    counts = jumping(np.random.default_rng(11), 1, 6, at=3)
    outcomes = np.stack([counts.purchases, counts.rejections])
    evidence = ChangePointRestart._evidence(outcomes)

    def log_marginal(part):
        lgamma = math.lgamma
        return sum(lgamma(1 + s) + lgamma(1 + f) - lgamma(2 + s + f) for s, f in part.sum(axis=1)[:, 0].T)

    for row in range(1, 6):
        plain = log_marginal(outcomes[:, :row]) + log_marginal(outcomes[:, row:]) - log_marginal(outcomes)
        assert evidence[row, 0] == pytest.approx(plain, abs=1e-9)


def test_the_pooled_prior_recovers_how_contexts_were_drawn():
    """Rates are Beta(ν q, ν (1 − q)) with ν = 30 around a falling q."""
    rng, truth, contexts = np.random.default_rng(12), np.linspace(0.7, 0.2, 5), 400
    rates = rng.beta(30 * truth, 30 * (1 - truth), (contexts, 5))
    purchases = rng.binomial(60, rates)
    counts = OutcomeCounts(0, np.zeros_like(purchases)[None], purchases[None], (60 - purchases)[None])
    policy = PooledPrior(width=0.0, context_weight=1e9)
    mean = policy.prior_mean(counts, epoch=0)
    np.testing.assert_allclose(mean.mean(axis=0), truth, atol=0.02)
    assert 18 < policy.strength(counts, mean, epoch=0) < 50
    smoothed = PooledPrior(width=1.0).prior_mean(counts, epoch=0).mean(axis=0)
    assert (np.diff(smoothed) < 0).all()


def test_an_arm_without_outcomes_begins_at_what_its_neighbours_say():
    counts = OutcomeCounts.empty(3, 5)
    counts.learn(np.zeros(400, int), np.full(400, 1), np.arange(400) % 10 == 0, np.zeros(400, int))
    alpha, beta = PooledPrior().posterior(counts, epoch=0)
    assert alpha[2, 2] / (alpha[2, 2] + beta[2, 2]) == pytest.approx(0.1, abs=0.02)
    assert alpha[2, 2] + beta[2, 2] in STRENGTHS


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Discounted(discount=0.0), "discount"),
        (lambda: SlidingWindow(window=0), "window"),
        (lambda: ChangePointRestart(hazard=1.0), "hazard"),
        (lambda: DemandCurveBank(samples=0), "samples"),
        (lambda: DemandCurveBank(single_share=1.5), "single_share"),
    ],
)
def test_hyperparameters_outside_their_domain_are_refused_by_name(make, named):
    with pytest.raises(ValueError, match=named):
        make()


def test_the_default_is_one_of_them():
    assert {DEFAULT_POLICY, REFERENCE_POLICY} <= POLICIES.keys()


def test_every_policy_has_a_label():
    assert POLICY_LABELS.keys() == POLICIES.keys()
