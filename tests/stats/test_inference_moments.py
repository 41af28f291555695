from decimal import Decimal

import numpy as np
import pytest

from experiments.stats.inference import Moments, cap_from_history, cuped_difference, difference_of_means, winsorised

RNG = np.random.default_rng(1)
Y, X = RNG.gamma(2, 3, 500), RNG.normal(size=500)


def test_moments_are_those_of_the_rows():
    moments = Moments.of(Y, X)
    assert moments.mean == pytest.approx(Y.mean())
    assert moments.variance == pytest.approx(Y.var(ddof=1))
    assert moments.variance_x == pytest.approx(X.var(ddof=1))
    assert moments.covariance == pytest.approx(np.cov(Y, X)[0, 1])


def test_moments_of_parts_add_up_and_subtract():
    whole = Moments.of(Y[:100], X[:100]) + Moments.of(Y[100:], X[100:])
    assert whole.variance == pytest.approx(Moments.of(Y, X).variance)
    assert (whole - Moments.of(Y[100:], X[100:])).mean == pytest.approx(Y[:100].mean())


def test_arrays_are_many_experiments_at_once():
    rows = Y.reshape(5, 100)
    assert Moments.of(rows).variance == pytest.approx(rows.var(axis=1, ddof=1))


def test_a_hundred_million_units_far_from_zero_keep_their_variance_where_sums_are_exact():
    # Half at 1,000,000.00 and half at 1,000,000.02: the variance is 0.0001, a part in 10^16 of the mean square.
    n = 100_000_000
    low, high = Decimal("1000000.00"), Decimal("1000000.02")
    moments = Moments(n, (low + high) * (n // 2), (low**2 + high**2) * (n // 2))
    assert moments.variance == pytest.approx(0.0001, rel=1e-6)
    assert moments.mean == pytest.approx(1_000_000.01)


def test_whole_numbers_decimals_and_floats_give_the_same_difference():
    whole = [Moments(1000, 3000 + arm, 12000 + arm) for arm in (0, 90)]
    decimals = [Moments(m.n, Decimal(m.sum_y), Decimal(m.sum_y2)) for m in whole]
    floats = [Moments(float(m.n), float(m.sum_y), float(m.sum_y2)) for m in whole]
    for arms in (decimals, floats):
        ours, expected = difference_of_means(*arms), difference_of_means(*whole)
        assert (ours.effect, ours.standard_error) == pytest.approx(
            (expected.effect, expected.standard_error), rel=1e-12
        )


def test_decimals_add_up_with_floats_and_stay_exact_among_themselves():
    exact, rough = Moments(2, Decimal("0.30"), Decimal("0.05")), Moments(2, 0.5, 0.13)
    assert (exact + exact).sum_y == Decimal("0.60")
    assert (exact + rough).sum_y == (rough + exact).sum_y == pytest.approx(0.8)
    assert cuped_difference(exact, rough).effect == pytest.approx(0.1)


def test_nothing_is_known_of_no_units_or_one():
    assert np.isnan(Moments(0, 0, 0).mean)
    assert np.isnan(Moments(1, 3, 9).variance)


@pytest.mark.parametrize(
    ("sums", "field"), [((-1, 0, 0), "n:"), ((3, 1, -1), "sum_y2:"), ((3, float("nan"), 1), "sums:")]
)
def test_sums_that_cannot_be_are_refused(sums, field):
    with pytest.raises(ValueError, match=field):
        Moments(*sums)


def test_rows_of_x_must_be_those_of_y():
    with pytest.raises(ValueError, match="x: got shape"):
        Moments.of([1.0, 2.0], [1.0])


def test_a_cap_leaves_out_the_wanted_share_of_history():
    past = np.random.default_rng(2).lognormal(0, 2, 10_000)
    cap = cap_from_history(past, cut=0.01)
    assert np.mean(past > cap) == pytest.approx(0.01, abs=0.0005)
    assert winsorised(past, cap).max() == cap
    assert winsorised(past, cap)[past <= cap] == pytest.approx(past[past <= cap])


def test_a_cap_of_zeros_is_refused():
    with pytest.raises(ValueError, match="cut: got"):
        cap_from_history(np.r_[np.zeros(97), [5.0, 6.0, 7.0]], cut=0.1)
