"""Multiplicity, Bayesian reading, planning, stopping rules."""

import numpy as np
import pytest
from scipy import stats

from experiments.stats.inference import (
    adjusted_p_values,
    design_effect,
    duration_days,
    inflation_factor,
    minimum_detectable_effect,
    sample_size,
)
from experiments.stats.inference.bayesian import posterior_of
from experiments.stats.inference.stopping import conditional_power, is_futile_by_interval, is_futile_by_power


def test_holm_and_benjamini_hochberg_by_hand():
    p_values = [0.01, 0.04, 0.03, 0.5]
    assert adjusted_p_values(p_values, "holm") == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert adjusted_p_values(p_values, "bonferroni") == pytest.approx([0.04, 0.16, 0.12, 1.0])
    assert adjusted_p_values(p_values, "none") == pytest.approx(p_values)
    assert adjusted_p_values(p_values, "benjamini_hochberg") == pytest.approx(stats.false_discovery_control(p_values))


def test_holm_holds_the_chance_of_any_false_claim():
    p_values = np.random.default_rng(31).random((4000, 6))
    claimed = np.array([adjusted_p_values(row, "holm").min() < 0.05 for row in p_values])
    assert claimed.mean() == pytest.approx(0.05, abs=0.011)


def test_nothing_to_correct_is_nothing():
    assert adjusted_p_values([], "holm").size == 0


def test_a_bad_correction_names_itself():
    with pytest.raises(ValueError, match="correction:"):
        adjusted_p_values([0.1], "sidak")
    with pytest.raises(ValueError, match="p_values:"):
        adjusted_p_values([1.2])


def test_the_posterior_weighs_prior_and_estimate():
    posterior = posterior_of(2.0, 1.0, prior_mean=0.0, prior_sd=1.0)
    assert (posterior.mean, posterior.sd) == pytest.approx((1.0, np.sqrt(0.5)))
    assert posterior.probability_to_beat == pytest.approx(stats.norm.cdf(np.sqrt(2)))


def test_expected_loss_is_the_mean_of_what_is_lost():
    draws = np.random.default_rng(32).normal(0.3, 0.5, 2_000_000)
    posterior = posterior_of(0.3, 0.5)
    assert posterior.expected_loss == pytest.approx(np.maximum(-draws, 0).mean(), abs=0.001)
    assert posterior.expected_loss_of_control == pytest.approx(np.maximum(draws, 0).mean(), abs=0.001)
    down = posterior_of(0.3, 0.5, higher_is_better=False)
    assert down.expected_loss == pytest.approx(posterior.expected_loss_of_control)
    assert down.probability_to_beat == pytest.approx(1 - posterior.probability_to_beat)


def test_a_prior_without_width_is_refused():
    with pytest.raises(ValueError, match="prior_sd:"):
        posterior_of(1.0, 1.0, prior_sd=0.0)


def test_sample_size_is_found_by_a_simulated_test():
    n = int(sample_size(0.25, 1.0, power=0.8) / 2)
    rng = np.random.default_rng(33)
    difference = rng.normal(0.25, 1, (4000, n)).mean(1) - rng.normal(0, 1, (4000, n)).mean(1)
    assert np.mean(np.abs(difference) > stats.norm.isf(0.025) * np.sqrt(2 / n)) == pytest.approx(0.8, abs=0.02)


def test_effect_and_size_are_each_others_inverse():
    settings = {"treatment_share": 0.2, "correlation": 0.7, "design_effect": 3.0, "sides": 1}
    n = sample_size(0.1, 4.0, **settings)
    assert minimum_detectable_effect(n, 4.0, **settings) == pytest.approx(0.1)
    assert sample_size(0.1, 4.0, correlation=0.7) == pytest.approx(0.51 * sample_size(0.1, 4.0))


def test_a_design_effect_and_days():
    assert design_effect(50, 0.02) == pytest.approx(1.98)
    assert design_effect(50, 0.02, size_variation=1.0) == pytest.approx(2.98)
    assert design_effect(1, 1) == 1
    assert (duration_days(1000, 100), duration_days(1000, 100, whole_weeks=False)) == (14, 10)
    assert inflation_factor(np.arange(1, 4) / 3, family="power") < 1.06


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: sample_size(0.0, 1.0), "effect:"),
        (lambda: sample_size(0.1, -1.0), "variance:"),
        (lambda: sample_size(0.1, 1.0, power=1.0), "power:"),
        (lambda: sample_size(0.1, 1.0, correlation=1.0), "correlation:"),
        (lambda: minimum_detectable_effect(0, 1.0), "n:"),
        (lambda: duration_days(10, 0), "daily_units:"),
        (lambda: design_effect(10, 2.0), "intraclass_correlation:"),
    ],
)
def test_bad_plans_are_refused_by_name(call, field):
    with pytest.raises(ValueError, match=field):
        call()


def test_conditional_power_is_what_happens_next():
    rng = np.random.default_rng(34)
    final = 1.2 * np.sqrt(0.4) + rng.normal(2.8 * 0.6, np.sqrt(0.6), 400_000)
    assert conditional_power(1.2, 0.4, 1.96, 2.8) == pytest.approx(np.mean(final >= 1.96), abs=0.003)
    assert conditional_power(2.0, 1.0, 1.96) == 1.0
    with pytest.raises(ValueError, match="time:"):
        conditional_power(1.0, 0.0, 1.96)


def test_futility_looks_at_both_sides_only_where_both_are_asked():
    assert is_futile_by_power(-2.5, 0.8, 1.96, threshold=0.1, drift=2.8, sides=1)
    assert not is_futile_by_power(-2.5, 0.8, 1.96, threshold=0.1, drift=2.8, sides=2)
    assert is_futile_by_power(0.1, 0.8, 1.96, threshold=0.1, drift=2.8, sides=2)


def test_an_interval_without_an_effect_that_matters_is_futile():
    assert is_futile_by_interval(-0.4, 0.5, 1.0, True, 2)
    assert not is_futile_by_interval(-1.4, 0.5, 1.0, True, 2)
    assert is_futile_by_interval(-1.4, 0.5, 1.0, True, 1)
    assert not is_futile_by_interval(-1.4, 0.5, 1.0, False, 1)
