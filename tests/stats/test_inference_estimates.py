import numpy as np
import pytest
from scipy import stats

from experiments.stats.inference import (
    Moments,
    cuped_difference,
    difference_of_means,
    paired_difference,
    ratio_of_sums,
)
from experiments.stats.inference.estimate import normal_score

RNG = np.random.default_rng(3)
A, B = RNG.gamma(2, 3, 40), RNG.gamma(2, 3.4, 60)


def test_difference_of_means_is_welchs_test():
    estimate = difference_of_means(Moments.of(A), Moments.of(B))
    expected = stats.ttest_ind(B, A, equal_var=False)
    assert estimate.p_value() == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = estimate.interval()
    theirs = expected.confidence_interval()
    assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_pairs_are_the_paired_test_and_say_how_much_pairing_helped():
    before = RNG.normal(10, 3, 50)
    after = before + RNG.normal(0.3, 0.5, 50)
    estimate = paired_difference(Moments.of(after, before))
    assert estimate.p_value() == pytest.approx(stats.ttest_rel(after, before).pvalue, rel=1e-8)
    assert estimate.variance_reduction > 0.9


def test_ratio_is_the_linearised_difference():
    size = [RNG.integers(1, 9, n).astype(float) for n in (300, 400)]
    total = [s * RNG.gamma(2, 1 + 0.1 * arm, len(s)) for arm, s in enumerate(size)]
    estimate = ratio_of_sums(*(Moments.of(y, x) for y, x in zip(total, size, strict=True)))
    ratios = [y.sum() / x.sum() for y, x in zip(total, size, strict=True)]
    errors = [np.var((y - r * x) / x.mean(), ddof=1) / len(x) for y, x, r in zip(total, size, ratios, strict=True)]
    assert estimate.effect == pytest.approx(ratios[1] - ratios[0])
    assert estimate.standard_error == pytest.approx(np.sqrt(sum(errors)))


def test_relative_errors_are_those_of_the_delta_method():
    ratio = np.mean(RNG.normal(10, 2, (20_000, 100)), 1) / np.mean(RNG.normal(8, 3, (20_000, 100)), 1)
    arms = Moments(100, 800.0, 6400 + 99 * 9.0), Moments(100, 1000.0, 10000 + 99 * 4.0)
    estimate = difference_of_means(*arms, relative=True)
    assert estimate.effect == pytest.approx(0.25)
    assert estimate.standard_error == pytest.approx(ratio.std(), rel=0.03)


def test_a_loss_that_shrinks_is_a_gain_where_the_effect_is_relative():
    loss, less = Moments.of(A - 20), Moments.of(B - 10)
    assert difference_of_means(loss, less, relative=True).effect > 0
    assert paired_difference(Moments.of(A / 2 - 10, A - 20), relative=True).effect == pytest.approx(0.5)


def test_cuped_takes_away_the_square_of_the_correlation_and_nothing_of_the_effect():
    effects, reductions = [], []
    for _ in range(300):
        x = [RNG.normal(5, 2, 400) for _ in range(2)]
        y = [0.7 * (v - 5) / 2 + np.sqrt(0.51) * RNG.normal(size=400) + 0.2 * arm for arm, v in enumerate(x)]
        estimate = cuped_difference(*(Moments.of(v, w) for v, w in zip(y, x, strict=True)))
        effects.append(estimate.effect)
        reductions.append(estimate.variance_reduction)
    assert np.mean(effects) == pytest.approx(0.2, abs=0.01)
    assert np.mean(reductions) == pytest.approx(0.49, abs=0.01)
    assert np.std(effects) == pytest.approx(np.sqrt(2 * 0.51 / 400), rel=0.12)


def test_cuped_without_a_covariate_is_the_plain_difference():
    plain = difference_of_means(Moments.of(A), Moments.of(B))
    adjusted = cuped_difference(Moments.of(A), Moments.of(B))
    assert (adjusted.effect, adjusted.standard_error) == pytest.approx((plain.effect, plain.standard_error))
    assert adjusted.variance_reduction == 0


def test_clusters_hold_their_rate_where_visitors_do_not():
    runs, clusters = 2000, 60
    size = RNG.negative_binomial(2, 0.02, (runs, clusters)) + 1.0
    sold = RNG.binomial(size.astype(int), np.clip(RNG.beta(2, 30, (runs, clusters)), 1e-6, 1)).astype(float)
    arms = [slice(0, 30), slice(30, 60)]
    ours = ratio_of_sums(*(Moments.of(sold[:, arm], size[:, arm]) for arm in arms))
    naive = difference_of_means(*(Moments.of_conversions(size[:, arm].sum(1), sold[:, arm].sum(1)) for arm in arms))
    assert 0.035 <= np.mean(ours.p_value() < 0.05) <= 0.065
    assert np.mean(naive.p_value() < 0.05) > 0.24


def test_a_ratio_without_a_denominator_is_not_known_yet():
    nothing = Moments(50, 0, 0, 0, 0, 0)
    assert np.isnan(ratio_of_sums(nothing, nothing).effect)


def test_a_t_far_out_keeps_its_order_and_sign():
    scores = normal_score(np.array([-80.0, -3.0, 0.0, 3.0, 80.0]), 1.0, 50.0)
    assert list(scores) == sorted(scores)
    assert scores[3] == pytest.approx(stats.norm.isf(stats.t.sf(3.0, 50)))
    assert normal_score(0.0, 0.0) == 0.0
    assert normal_score(1.0, np.nan) == 0.0
