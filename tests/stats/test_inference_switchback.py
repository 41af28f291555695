import numpy as np
import pytest
from scipy.signal import lfilter

from experiments.stats.inference import SwitchbackSlots, randomisation_p_value, switchback_difference
from experiments.stats.inference.switchback import periods_of


def shop(rng, *, days=14, effect=0.0, carry=0.0, washout=1, regions=1):
    """Hours with an hourly level that lives on (0.9), arms drawn anew every four hours in each region."""
    columns = []
    for region in range(regions):
        slots = days * 24
        level = lfilter([np.sqrt(1 - 0.81)], [1, -0.9], rng.normal(size=slots + 50))[50:]
        period = np.arange(slots) // 4
        treated = rng.permutation(np.arange(slots // 4) % 2 == 1)[period]
        outcome = 50.0 + 10 * region + 5 * level + effect * treated + carry * np.r_[False, treated[:-1]]
        columns.append((outcome, treated, period + region * slots, np.full(slots, region)))
    outcome, treated, period, region = (np.concatenate(column) for column in zip(*columns, strict=True))
    return SwitchbackSlots(outcome, treated, period, region, washout)


def test_a_test_of_nothing_is_significant_one_time_in_twenty():
    rng = np.random.default_rng(51)
    p_values = [switchback_difference(shop(rng)).p_value() for _ in range(1500)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.015)


def test_a_lag_widens_the_interval_where_arms_come_in_runs():
    rng, claims = np.random.default_rng(55), {0: 0, 6: 0}
    for _ in range(300):
        level = lfilter([np.sqrt(1 - 0.81)], [1, -0.9], rng.normal(size=250))[50:]
        treated = np.repeat(rng.random(20) < 0.5, 10)
        for lag in claims:
            claims[lag] += (
                switchback_difference(SwitchbackSlots(level, treated, np.arange(200)), lag=lag).p_value() < 0.05
            )
    assert claims[0] > 1.5 * claims[6] > 0


def test_regions_of_another_level_do_not_hide_the_effect():
    rng = np.random.default_rng(52)
    estimates = [switchback_difference(shop(rng, effect=4.0, regions=3)) for _ in range(40)]
    assert np.mean([e.effect for e in estimates]) == pytest.approx(4.0, abs=0.25)
    assert np.std([e.effect for e in estimates]) == pytest.approx(
        np.mean([e.standard_error for e in estimates]), rel=0.35
    )


def test_washout_leaves_out_the_first_slots_of_each_period():
    slots = SwitchbackSlots([9, 1, 1, 9, 2, 2], [False] * 3 + [True] * 3, [0, 0, 0, 1, 1, 1], washout=1)
    assert periods_of(slots).mean == pytest.approx([1, 2])


def test_washout_takes_away_what_carries_over():
    rng = np.random.default_rng(53)
    effects = {
        washout: np.mean([switchback_difference(shop(rng, carry=8.0, washout=washout)).effect for _ in range(60)])
        for washout in (0, 1)
    }
    assert effects[1] == pytest.approx(8.0, abs=0.6)
    assert effects[0] < 7.0


def test_randomisation_agrees_where_there_is_an_effect_and_holds_its_rate_where_there_is_none():
    rng = np.random.default_rng(54)
    assert randomisation_p_value(shop(rng, effect=6.0), rng, draws=400) < 0.01
    null = [randomisation_p_value(shop(rng, days=4), rng, draws=99) for _ in range(150)]
    assert np.mean(np.array(null) <= 0.05) == pytest.approx(0.05, abs=0.05)


def test_a_period_that_has_just_begun_is_left_out_and_one_arm_alone_says_nothing():
    slots = SwitchbackSlots([9, 1, 1, 9], [False] * 3 + [True], [0, 0, 0, 1], washout=1)
    assert periods_of(slots).mean == pytest.approx([1])
    assert np.isnan(switchback_difference(slots).effect)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: SwitchbackSlots([1.0, 2.0], [True], [0, 0]), "slots:"),
        (lambda: SwitchbackSlots([1.0], [True], [0], washout=-1), "washout:"),
        (lambda: periods_of(SwitchbackSlots([1.0, 2.0], [True, False], [0, 0])), "treated:"),
    ],
)
def test_bad_slots_are_refused_by_name(build, field):
    with pytest.raises(ValueError, match=field):
        build()
