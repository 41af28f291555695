import numpy as np
import pytest
from scipy import stats

from experiments.stats.inference.confidence_sequence import (
    sequence_interval,
    sequence_multiplier,
    sequence_p_value,
)
from experiments.stats.inference.msprt import always_valid_p_values, mixture_half_width, mixture_likelihood_ratio

LOOKS = np.arange(1, 201)


def walks(rng, runs, drift=0.0):
    """z of ``runs`` tests at each of 200 looks; drift is the expected z at the last."""
    steps = rng.normal(size=(runs, len(LOOKS))) + drift / np.sqrt(len(LOOKS))
    return steps.cumsum(1) / np.sqrt(LOOKS)


@pytest.mark.parametrize("sides", [1, 2])
def test_the_sequence_leaves_out_the_truth_rarely_however_often_it_is_looked_at(sides):
    z = walks(np.random.default_rng(11), 4000)
    bound = sequence_multiplier(LOOKS / 100, 0.05, sides)
    left = (np.abs(z) if sides == 2 else z) >= bound
    assert 0.005 < left.any(1).mean() <= 0.05
    assert ((np.abs(z) if sides == 2 else z) >= stats.norm.isf(0.05 / sides)).any(1).mean() > 0.2


def test_the_sequence_finds_effects_and_is_narrower_one_sided():
    z = walks(np.random.default_rng(12), 1000, drift=5.0)
    assert (z >= sequence_multiplier(LOOKS / 100, 0.05)).any(1).mean() > 0.9
    assert np.all(sequence_multiplier(LOOKS / 100, 0.05, 1) < sequence_multiplier(LOOKS / 100, 0.05, 2))


@pytest.mark.parametrize("sides", [1, 2])
def test_p_value_is_alpha_exactly_where_the_interval_touches(sides):
    bound = sequence_multiplier(np.array([0.1, 1.0, 7.0]), 0.05, sides)
    assert sequence_p_value(bound, np.array([0.1, 1.0, 7.0]), 0.05, sides) == pytest.approx(0.05, rel=1e-9)


def test_the_sequence_is_about_tightest_where_it_is_tuned_for():
    progress = np.linspace(0.2, 5, 300)
    excess = sequence_multiplier(progress, 0.05)
    assert 0.5 < progress[np.argmin(excess)] < 1.5


def test_nothing_is_known_before_the_first_unit():
    assert sequence_multiplier(0.0, 0.05) == np.inf
    assert sequence_interval(0.0, np.nan, 0.0, 0.05) == (-np.inf, np.inf)
    assert sequence_p_value(0.0, 0.0, 0.05) == 1.0


def test_msprt_is_the_mixture_of_likelihood_ratios():
    effect, error, spread = 0.7, 0.4, 0.5
    grid = np.linspace(-8, 8, 200_001)
    ratio = stats.norm.pdf(effect, grid, error) / stats.norm.pdf(effect, 0, error)
    mixed = np.trapezoid(ratio * stats.norm.pdf(grid, 0, spread), grid)
    assert mixture_likelihood_ratio(effect, error, spread) == pytest.approx(mixed, rel=1e-9)


def test_msprt_interval_ends_where_it_rejects():
    half = mixture_half_width(0.3, 0.5, 0.05)
    assert 1 / mixture_likelihood_ratio(half, 0.3, 0.5) == pytest.approx(0.05, rel=1e-9)


def test_msprt_and_sequence_are_the_same_where_the_mixture_is():
    n, sigma, tuned = 400.0, 2.0, 1000.0
    error, v = sigma / np.sqrt(n), -2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)
    spread = sigma * np.sqrt(v / tuned)
    assert mixture_half_width(error, spread, 0.05) / error == pytest.approx(sequence_multiplier(n / tuned, 0.05))


def test_msprt_p_values_only_fall_and_hold_their_rate():
    z = walks(np.random.default_rng(13), 2000)
    error = 1 / np.sqrt(LOOKS)
    p_values = always_valid_p_values(z * error, np.broadcast_to(error, z.shape), 0.2)
    assert np.all(np.diff(p_values, axis=1) <= 0)
    assert (p_values[:, -1] < 0.05).mean() <= 0.05


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: sequence_multiplier(1.0, 0.0), "alpha:"),
        (lambda: sequence_multiplier(1.0, 0.05, 3), "sides:"),
        (lambda: mixture_likelihood_ratio(1.0, 1.0, 0.0), "mixture_sd:"),
    ],
)
def test_bad_settings_are_refused_by_name(call, field):
    with pytest.raises(ValueError, match=field):
        call()
