import numpy as np
import pytest
from scipy import stats

from experiments.stats.inference.boundaries import spending_bounds
from experiments.stats.inference.group_sequential import (
    SpendingPlan,
    first_crossing,
    repeated_intervals,
    repeated_p_value,
    stagewise_result,
)

TIME = np.array([0.25, 0.5, 0.75, 1.0])
BOUNDS = spending_bounds(TIME, family="power")
PLAN = SpendingPlan(family="power")


def walks(seed, runs, drift):
    steps = np.random.default_rng(seed).normal(drift * 0.25, 0.5, (runs, 4))
    return steps.cumsum(1) / np.sqrt(TIME)


def test_the_test_holds_alpha_and_has_power():
    null, lifted = (walks(41, 20_000, drift) for drift in (0.0, 2.8))
    assert (np.abs(null) >= BOUNDS).any(1).mean() == pytest.approx(0.05, abs=0.005)
    assert (np.abs(lifted) >= BOUNDS).any(1).mean() > 0.76


def test_repeated_intervals_cover_at_all_looks_at_once():
    z, error = walks(42, 20_000, 1.0), 1 / np.sqrt(TIME)
    low, high = repeated_intervals(z * error, error, BOUNDS)
    assert ((low <= 1.0) & (high >= 1.0)).all(1).mean() == pytest.approx(0.95, abs=0.006)


def test_repeated_p_value_is_below_alpha_exactly_where_a_bound_was_crossed():
    for z in walks(43, 60, 1.5):
        crossed = first_crossing(z, BOUNDS) is not None
        assert (repeated_p_value(z, TIME, TIME, PLAN) <= 0.05) == crossed


def test_repeated_p_value_at_one_look_is_that_of_the_fixed_test():
    for z in (0.3, 1.7, 4.0):
        assert repeated_p_value([z], [1.0], [1.0], PLAN) == pytest.approx(2 * stats.norm.sf(z), rel=1e-5)
    assert repeated_p_value([1.7], [1.0], [1.0], SpendingPlan(sides=1)) == pytest.approx(stats.norm.sf(1.7), rel=1e-5)


def test_stagewise_at_one_look_is_the_fixed_test():
    result = stagewise_result(1.5, 2.0, [1.0], [1.96])
    half = stats.norm.isf(0.025) * 2
    assert result.p_value == pytest.approx(2 * stats.norm.sf(1.5))
    assert (result.estimate, result.low, result.high) == pytest.approx((3.0, 3.0 - half, 3.0 + half), abs=1e-6)


def test_after_stopping_the_estimate_is_as_often_too_high_as_too_low_and_the_interval_covers():
    truth, plain, ours, covered, agrees = 2.0, [], [], [], []
    for z in walks(44, 300, truth):
        stop = first_crossing(z, BOUNDS)
        last = 3 if stop is None else stop
        error = 1 / np.sqrt(TIME[last])
        result = stagewise_result(z[last], error, TIME[: last + 1], BOUNDS[: last + 1])
        plain.append(z[last] * error)
        ours.append(result.estimate)
        covered.append(result.low <= truth <= result.high)
        agrees.append((result.p_value <= 0.05) == (stop is not None))
    assert all(agrees)
    assert np.mean(np.array(ours) > truth) == pytest.approx(0.5, abs=0.09)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)
    assert np.mean(plain) > np.mean(ours)


def test_first_crossing_by_sides():
    assert first_crossing([-3.0, 1.0], [2.0, 2.0]) == 0
    assert first_crossing([-3.0, 2.5], [2.0, 2.0], sides=1) == 1
    assert first_crossing([0.0], [np.inf]) is None
