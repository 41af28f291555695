from dataclasses import replace

import numpy as np
import pytest

from experiments.stats.inference import (
    METHODS,
    AnalysisPlan,
    Guardrail,
    Look,
    Moments,
    SwitchbackSlots,
    analyse,
    analyse_family,
    sentence,
    watch_guardrail,
)

RNG = np.random.default_rng(61)
BEGUN = AnalysisPlan(planned_days=14)


def shop_looks(rng, days, *, lift=0.0, visitors=1000, share=0.5, correlation=0.0):
    """Cumulative looks of a shop where 97 % spend nothing, with what they spent before as x."""
    arms, looks = [Moments(0, 0, 0), Moments(0, 0, 0)], []
    for day in range(1, days + 1):
        sizes = np.array([visitors * (1 - share), visitors * share]).astype(int)
        for arm, size in enumerate(sizes):
            spent = (rng.random(size) < 0.03) * rng.lognormal(3, 1, size)
            before = correlation * spent + (1 - correlation) * rng.permutation(spent)
            arms[arm] = arms[arm] + Moments.of(spent * (1 + lift * arm), before)
        looks.append(Look(day, arms[0], arms[1]))
    return looks


def sure_looks(days, difference, *, per_day=500, variance=1.0):
    """Looks whose sums are as expected, without noise: control mean 10."""
    looks = []
    for day in range(1, days + 1):
        n = per_day * day
        arms = [Moments(n, n * mean, n * (mean**2 + variance)) for mean in (10.0, 10.0 + difference)]
        looks.append(Look(day, *arms))
    return looks


def test_default_spends_alpha_where_a_horizon_is_planned_and_is_always_valid_elsewhere():
    looks = shop_looks(RNG, 3)
    assert analyse(BEGUN, looks).method == "group_sequential"
    assert analyse(AnalysisPlan(planned_n=10_000), looks).method == "group_sequential"
    assert analyse(AnalysisPlan(), looks).method == "always_valid"
    assert analyse(AnalysisPlan(unit="cluster", planned_n=10_000), looks).method == "always_valid"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_a_large_effect_and_its_direction(method):
    plan = AnalysisPlan(method=method, planned_days=14)
    better, worse = (analyse(plan, sure_looks(14, difference)) for difference in (0.5, -0.5))
    assert (better.decision, worse.decision) == ("benefit", "harm")
    assert better.low < 0.5 < better.high and better.low > 0
    assert better.effect == pytest.approx(0.5)
    assert better.relative_effect == pytest.approx(0.05)
    assert better.p_value is None or better.p_value < 0.001
    assert analyse(replace(plan, higher_is_better=False), sure_looks(14, 0.5)).decision == "harm"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_nothing_where_there_is_nothing(method):
    readout = analyse(AnalysisPlan(method=method, planned_days=14, futility=None), sure_looks(14, 0.001))
    assert (readout.decision, readout.decided_day) == ("finished", 14)
    assert sentence(readout).startswith("The test is over without a difference shown")


@pytest.mark.parametrize(("method", "highest"), [("always_valid", 0.05), ("half_sequence", 0.05), ("msprt", 0.05)])
def test_whole_read_outs_looked_at_daily_hold_their_rate(method, highest):
    rng = np.random.default_rng(62)
    plan = AnalysisPlan(method=method, planned_days=10)
    readouts = [analyse(plan, shop_looks(rng, 10, visitors=2000)) for _ in range(120)]
    assert np.mean([r.decision in ("benefit", "harm") for r in readouts]) <= highest + 0.03
    assert np.mean([r.naive.ever_significant for r in readouts]) > 0.1


def test_spending_by_analyse_holds_its_rate_on_clusters_that_are_seen_longer():
    rng = np.random.default_rng(63)
    decisions = []
    for _ in range(200):
        level = rng.normal(0, 1, 40)[:, None]
        sold = np.cumsum(5 + level + rng.gamma(2, 0.7, (40, 4)), 1) / np.arange(1, 5)
        looks = [Look(d + 1, Moments.of(sold[:20, d]), Moments.of(sold[20:, d])) for d in range(4)]
        decisions.append(analyse(AnalysisPlan(unit="cluster", planned_days=4, futility=None), looks).decision)
    assert 0.01 <= np.mean([d in ("benefit", "harm") for d in decisions]) <= 0.09


def test_the_decision_stays_with_the_day_it_fell():
    looks = [*sure_looks(5, 0.5), *sure_looks(14, 0.0)[5:]]
    readout = analyse(AnalysisPlan(), looks)
    assert (readout.decision, readout.decided_day, readout.remaining_days) == ("benefit", 1, 0.0)


def test_looks_after_the_horizon_do_not_count_where_alpha_is_spent():
    assert analyse(BEGUN, sure_looks(20, 0.0)).looks[-1].day == 14
    assert analyse(AnalysisPlan(), sure_looks(20, 0.0)).looks[-1].day == 20


def test_a_sample_ratio_mismatch_comes_first():
    readout = analyse(BEGUN, shop_looks(RNG, 14, lift=2.0, visitors=4000, share=0.55))
    assert readout.decision == "srm"
    assert sentence(readout).startswith("The arms do not hold the shares they should")
    assert analyse(replace(BEGUN, expected_shares=(0.45, 0.55)), shop_looks(RNG, 3, share=0.55)).decision != "srm"


def test_exposures_of_all_arms_are_what_the_ratio_is_checked_on():
    looks = [
        replace(look, exposures=(3000 * look.day, 3000 * look.day, 2000 * look.day)) for look in sure_looks(3, 0.0)
    ]
    plan = replace(BEGUN, expected_shares=(0.4, 0.4, 0.2))
    assert analyse(plan, looks).decision == "srm"
    assert analyse(plan, looks).srm.counts == (9000, 9000, 6000)


def test_a_guardrail_stops_a_test_that_wins():
    plan = AnalysisPlan(planned_days=14)
    rail = watch_guardrail(Guardrail("margin", margin=0.1), plan, sure_looks(14, -0.5))
    readout = analyse(plan, sure_looks(14, 0.5), guardrails=[rail])
    assert readout.decision == "guardrail"
    assert readout.decided_day == rail.breached_look + 1
    assert sentence(readout) == "Stop: margin is hurt by more than was allowed."


def test_futility_ends_a_test_that_is_unlikely_to_show_anything():
    looks = sure_looks(12, 0.0)
    readout = analyse(BEGUN, looks)
    assert readout.decision == "futility"
    assert sentence(readout).startswith("Going on is not worth it")
    assert analyse(replace(BEGUN, futility=None), looks).decision == "continue"
    assert analyse(BEGUN, sure_looks(3, 0.0)).decision == "continue"


def test_always_valid_futility_needs_an_effect_that_matters():
    looks = sure_looks(14, 0.0)
    assert analyse(AnalysisPlan(), looks).decision == "continue"
    assert analyse(AnalysisPlan(minimum_effect=0.2), looks).decision == "futility"
    assert analyse(AnalysisPlan(minimum_effect=0.01), looks).decision == "continue"


def test_too_early_tells_the_days_that_remain():
    looks = sure_looks(4, 0.06)
    planned, open_ended = analyse(BEGUN, looks), analyse(AnalysisPlan(), looks)
    assert 0 < planned.remaining_days <= 10
    assert sentence(planned) == f"Too early to say; at this rate {int(np.ceil(planned.remaining_days))} more days."
    longer = 4 + int(np.ceil(open_ended.remaining_days))
    assert analyse(AnalysisPlan(), sure_looks(longer, 0.06)).decision == "benefit"
    assert analyse(AnalysisPlan(), sure_looks(longer - 1, 0.06)).decision == "continue"
    assert "no decision is in sight" in sentence(analyse(AnalysisPlan(), sure_looks(4, 0.001)))


def test_cuped_tells_what_it_gained_and_narrows_the_interval():
    looks = shop_looks(np.random.default_rng(64), 14, correlation=0.7)
    plain, adjusted = (analyse(replace(BEGUN, cuped=cuped), looks) for cuped in (False, True))
    assert adjusted.variance_reduction > 0.3
    assert plain.variance_reduction == 0
    assert adjusted.high - adjusted.low < 0.9 * (plain.high - plain.low)


def test_the_adjusted_estimate_is_nearer_to_nothing_than_the_lucky_one():
    readout = analyse(BEGUN, sure_looks(9, 0.08))
    assert readout.decision == "benefit"
    assert 0 < readout.adjusted_low < readout.adjusted_effect <= readout.effect < readout.adjusted_high


def test_ratios_pairs_and_switchbacks_are_read_by_the_plan():
    size = RNG.integers(1, 9, 200).astype(float)
    arms = [Moments.of(size * (1 + 0.5 * arm) + RNG.normal(0, 0.1, 200), size) for arm in (0, 1)]
    assert analyse(AnalysisPlan(metric="ratio"), [Look(1, *arms)]).effect == pytest.approx(0.5, abs=0.01)

    before = RNG.normal(10, 3, 30)
    pairs = Moments.of(before + 1 + RNG.normal(0, 0.1, 30), before)
    paired = analyse(AnalysisPlan(metric="paired", planned_days=7), [Look(7, pairs, pairs)])
    assert (paired.decision, paired.n) == ("benefit", 30)
    assert paired.effect == pytest.approx(1.0, abs=0.1)

    period = np.repeat(np.arange(40), 4)
    treated = RNG.permutation(np.arange(40) % 2 == 1)[period]
    looks = [
        Look(
            day,
            slots=SwitchbackSlots(
                (treated + RNG.normal(0, 0.3, 160))[: 40 * day], treated[: 40 * day], period[: 40 * day], washout=1
            ),
        )
        for day in (1, 2, 3, 4)
    ]
    assert analyse(AnalysisPlan(metric="switchback", planned_days=4), looks).decision == "benefit"


def test_days_on_which_nothing_is_known_yet_say_nothing():
    empty = [Look(1, Moments(0, 0, 0), Moments(0, 0, 0)), Look(2, Moments(500, 0, 0), Moments(480, 0, 0))]
    for method in METHODS:
        for metric in ("mean", "ratio"):
            readout = analyse(AnalysisPlan(method=method, metric=metric, planned_days=14), empty)
            assert readout.decision == "continue"
            assert (readout.low, readout.high) == (-np.inf, np.inf)
            assert readout.p_value in (1.0, None)
            assert sentence(readout).startswith("Too early to say")


def test_a_test_that_ends_without_sales_says_that_too_little_came_in():
    readout = analyse(AnalysisPlan(planned_days=2), [Look(2, Moments(500, 0, 0), Moments(480, 0, 0))])
    assert readout.decision == "finished"
    assert sentence(readout) == "The test is over, and too little came in to say anything."


def test_a_day_without_new_visitors_changes_nothing():
    looks = sure_looks(6, 0.05)
    still = [*looks[:4], replace(looks[3], day=5), *[replace(look, day=look.day + 1) for look in looks[4:]]]
    planned = AnalysisPlan(planned_n=14_000, futility=None)
    without, given = analyse(planned, looks), analyse(planned, still)
    assert (given.low, given.high, given.p_value) == pytest.approx(
        (without.low, without.high, without.p_value), rel=1e-4
    )


def test_a_family_shares_alpha_and_corrects_its_p_values():
    plans = {name: AnalysisPlan(planned_days=14) for name in ("revenue", "margin", "units")}
    looks = {"revenue": sure_looks(14, 0.09), "margin": sure_looks(14, 0.0), "units": sure_looks(14, 0.0)}
    readouts, corrected = analyse_family(plans, looks)
    alone = analyse(plans["revenue"], looks["revenue"])
    assert readouts["revenue"].high - readouts["revenue"].low > alone.high - alone.low
    assert corrected["revenue"] == pytest.approx(min(3 * readouts["revenue"].p_value, 1.0))
    assert corrected["margin"] >= readouts["margin"].p_value


def test_one_side_claims_benefit_sooner():
    looks = sure_looks(14, 0.045)
    two, one = (analyse(replace(BEGUN, sides=sides, futility=None), looks) for sides in (2, 1))
    assert (one.decision, two.decision) == ("benefit", "finished") or one.decided_day < two.decided_day


def test_a_hundred_million_exposures_are_read_from_their_sums():
    n = 50_000_000
    looks = [
        Look(
            day,
            *(Moments(n // 10 * day, n // 10 * day * 3 + arm * 50_000 * day, n // 10 * day * 180) for arm in (0, 1)),
        )
        for day in range(1, 11)
    ]
    readout = analyse(AnalysisPlan(planned_days=20), looks)
    assert (readout.n, readout.effect) == (100_000_000, pytest.approx(0.01))
    error = np.sqrt((180 - 9 + 180 - 3.01**2) / n)
    assert readout.looks[-1].standard_error == pytest.approx(error, rel=1e-6)
    assert readout.looks[-1].z == pytest.approx(0.01 / error, rel=1e-6)
    assert readout.decision == "benefit"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: AnalysisPlan(method="z"), "method:"),
        (lambda: AnalysisPlan(alpha=0.0), "alpha:"),
        (lambda: AnalysisPlan(sides=3), "sides:"),
        (lambda: AnalysisPlan(planned_days=0), "planned_days:"),
        (lambda: AnalysisPlan(method="fixed"), "planned_days:"),
        (lambda: AnalysisPlan(metric="ratio", cuped=True), "cuped:"),
        (lambda: AnalysisPlan(comparisons=0), "comparisons:"),
        (lambda: AnalysisPlan(switchback_lag=-1), "switchback_lag:"),
        (lambda: Look(0, Moments(1, 1, 1), Moments(1, 1, 1)), "day:"),
        (lambda: Look(1, Moments(1, 1, 1)), "treatment:"),
        (lambda: Look(1), "control:"),
        (lambda: analyse(BEGUN, []), "looks:"),
        (lambda: analyse(BEGUN, sure_looks(3, 0.0)[::-1]), "looks:"),
        (lambda: analyse(AnalysisPlan(metric="switchback"), sure_looks(3, 0.0)), "slots:"),
        (lambda: Guardrail("margin", margin=-1.0), "margin:"),
    ],
)
def test_bad_input_is_refused_by_name(call, field):
    with pytest.raises(ValueError, match=field):
        call()
