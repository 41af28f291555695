"""Power and duration from a shop's history, against panels and tests whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from experiments.stats.designs.duration import (
    History,
    Question,
    cluster_design_effect,
    days_needed,
    history_of,
    precision,
    slot_error,
    unit_error,
)


def panel(units=3_000, days=60, between=4.0, within=9.0, rho=0.4, mean=10.0, seed=1):
    rng = np.random.default_rng(seed)
    noise = np.empty((units, days))
    noise[:, 0] = rng.normal(size=units)
    for day in range(1, days):
        noise[:, day] = rho * noise[:, day - 1] + rng.normal(size=units) * np.sqrt(1 - rho**2)
    return mean + rng.normal(size=(units, 1)) * np.sqrt(between) + noise * np.sqrt(within)


def test_the_parts_of_the_variance_are_recovered():
    found = history_of(panel())
    assert found.mean == pytest.approx(10, rel=0.02)
    assert found.between == pytest.approx(4, rel=0.1)
    assert found.within == pytest.approx(9, rel=0.05)
    assert found.lasting == pytest.approx(1, abs=0.08)
    assert found.day_correlation == pytest.approx(0.4, abs=0.04)


def test_what_lasts_is_told_from_a_days_own_chance():
    table = panel(units=20_000, days=56, within=4.0, rho=0.8)
    found = history_of(table + np.random.default_rng(9).normal(0, np.sqrt(6), size=table.shape))
    assert (found.lasting, found.day_correlation) == (pytest.approx(0.4, abs=0.03), pytest.approx(0.8, abs=0.03))
    assert found.within == pytest.approx(10, rel=0.03) and found.between == pytest.approx(4, rel=0.08)


def test_the_variance_of_a_mean_is_that_of_simulated_means():
    history = history_of(panel(units=20_000, days=28))
    simulated = panel(units=20_000, days=28, seed=2)[:, :14].mean(axis=1).var()
    assert history.mean_variance(14) == pytest.approx(simulated, rel=0.05)


def test_cuped_takes_away_what_days_before_foretell():
    table = panel(units=20_000, days=56, rho=0.0)
    history = history_of(table)
    before, after = table[:, :28].mean(axis=1), table[:, 28:].mean(axis=1)
    assert history.cuped_correlation(28, 28) == pytest.approx(np.corrcoef(before, after)[0, 1], abs=0.01)
    assert history.residual_variance(28, 0) == history.mean_variance(28)


def test_categories_that_sell_alike_are_seen():
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(200), 20)
    table = panel(units=4_000, days=28, between=1.0, within=1.0, rho=0) + rng.normal(size=(200, 1))[clusters]
    assert history_of(table, clusters).cluster_correlation == pytest.approx(1 / (1 + 1 + 1 / 28), abs=0.05)
    assert history_of(panel(units=4_000, days=28), clusters).cluster_correlation < 0.02


def test_the_foretold_power_is_the_share_of_simulated_tests_that_find_the_effect():
    rng = np.random.default_rng(7)
    history = History(10.0, 4.0, 9.0, 0.0, 0.0, 0.0, 400, 28)
    asked = Question(effect=0.05, alpha=0.05, power=0.8)
    foretold = precision(unit_error(history, control=200, treatment=200, covariate_days=0), asked, 14)
    deviation = np.sqrt(history.mean_variance(14))
    control = rng.normal(10, deviation, size=(4_000, 200))
    treated = rng.normal(10.5, deviation, size=(4_000, 200))
    found = stats.ttest_ind(treated, control, axis=1).pvalue < 0.05
    assert foretold.power == pytest.approx(found.mean(), abs=0.025)


def test_more_days_help_until_units_differ_for_good():
    history = History(10.0, 0.5, 200.0, 0.0, 0.0, 0.0, 400, 28)
    asked = Question(effect=0.05, alpha=0.05, power=0.8)
    with_cuped = unit_error(history, control=200, treatment=200, covariate_days=28)
    assert days_needed(with_cuped, asked) == 77
    assert precision(with_cuped, asked, 77).power >= 0.8 > precision(with_cuped, asked, 70).power
    few = unit_error(History(10.0, 40.0, 1.0, 0.0, 0.0, 0.0, 10, 28), control=5, treatment=5, covariate_days=0)
    assert days_needed(few, asked) is None


def test_looking_early_costs_days():
    history = History(10.0, 0.5, 200.0, 0.0, 0.0, 0.0, 400, 28)
    error = unit_error(history, control=200, treatment=200, covariate_days=28)
    once, often = (days_needed(error, Question(0.05, 0.05, 0.8, inflation)) for inflation in (1.0, 1.4))
    assert often > once


def test_a_switchback_needs_days_by_how_much_all_sales_vary():
    rng = np.random.default_rng(2)
    totals = 1_000 * (1 + 0.3 * (np.arange(280) % 7 == 5)) + rng.normal(0, 50, size=280)
    error = slot_error(totals, slots_a_day=1, counted=1.0, share=0.5)
    # A day varies by 50/1043; so many days in each arm.
    assert error(28) == pytest.approx(50 / 1_043 * np.sqrt(4 / 28), rel=0.15)
    washed = slot_error(totals, slots_a_day=1, counted=0.5, share=0.5)
    assert washed(28) == pytest.approx(error(28) * np.sqrt(2))


def test_design_effect_of_one_unit_clusters_is_one():
    assert cluster_design_effect(np.ones(10), 0.3) == 1
    assert cluster_design_effect(np.full(10, 5), 0.5) == 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: history_of(np.ones((1, 9))), "panel: got an array of shape"),
        (lambda: Question(0, 0.05, 0.8), "question: got"),
        (
            lambda: unit_error(History(0, 1, 1, 0, 0, 0, 9, 9), control=1, treatment=1, covariate_days=0),
            "never above 0",
        ),
        (lambda: slot_error(np.ones(3), slots_a_day=1, counted=1, share=0.5), "got 3 days; give 14"),
        (lambda: cluster_design_effect([], 0), "sizes: got 0 clusters"),
    ],
)
def test_bad_input_names_the_cure(call, words):
    with pytest.raises(ValueError, match=words):
        call()
