from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from experiments.selectors.readouts import readout_for
from experiments.services.record_experiment_events import UnitEvent, record_experiment_events
from tests.experiments.trials import STARTED, after, make_trial, store_facts
from tests.factories import make_listing

pytestmark = pytest.mark.django_db
WEEK = 7 * 86_400


def visitors(rng, number, uplift=0.0, days=6, arms=2, shares=None):
    """Visitors that come once, on any day; 30 % buy for about 10; the last arm's amounts are larger by ``uplift``."""
    units = []
    for at in range(number):
        arm = int(rng.choice(arms, p=shares))
        before = rng.gamma(4, 1)
        bought = rng.random() < 0.3
        amount = round(max(0.5, before * 2.5 * (1 + (uplift if arm == arms - 1 else 0)) + rng.normal(0, 1)), 2)
        facts = {"exposures": 1, "orders": int(bought), "units": int(bought)}
        facts |= {"revenue": Decimal(str(amount)) if bought else 0, "profit": Decimal(str(amount)) / 4 if bought else 0}
        units.append(
            {"unit": f"v{at}", "arm": arm, "covariate": Decimal(str(round(before, 4))), "days": {at % days: facts}}
        )
    return units


def read(trial, day=6):
    return readout_for(experiment=trial, at=after(day, hours=1))


def test_before_the_start_and_without_a_whole_day_it_is_too_early_to_say():
    assert read(make_trial(status="draft", started_at=None, plan=None)).sentence == "It has not started yet."
    trial = make_trial()
    store_facts(trial, visitors(np.random.default_rng(0), 50, days=1))
    assert read(trial, day=0).sentence.startswith("Too early to say")
    assert read(trial, day=0).arms == []
    assert read(trial, day=1).arms


def test_a_clear_effect_is_shown_with_its_interval_and_the_words_come_first():
    trial = make_trial()
    store_facts(trial, visitors(np.random.default_rng(1), 3_000, uplift=1.5))
    found = read(trial)
    primary = found.leading.primary
    assert found.decision == "benefit"
    assert found.sentence.startswith("The treatment is better: +")
    assert 0 < primary.low < primary.effect < primary.high
    assert primary.probability_to_beat > 0.99
    assert len(primary.looks) == found.day == 6
    assert primary.naive.significant


def test_without_an_effect_it_goes_on_and_says_so():
    trial = make_trial(method="spending", horizon_days=12)
    store_facts(trial, visitors(np.random.default_rng(2), 1_500))
    found = read(trial)
    assert found.decision == "continue"
    assert found.sentence == "Too early to say; at this rate 6 more days."
    assert found.leading.primary.horizon_share == pytest.approx(0.5)


def test_the_effect_is_the_difference_of_means_without_a_covariate_and_sharper_with_one():
    units = visitors(np.random.default_rng(3), 2_000, uplift=0.2)
    with_covariate = make_trial()
    store_facts(with_covariate, units)
    without = make_trial()
    store_facts(without, [unit | {"covariate": None} for unit in units])
    plain, adjusted = read(without).leading.primary, read(with_covariate).leading.primary
    y = [
        [float(unit["days"][at % 6]["revenue"]) for at, unit in enumerate(units) if unit["arm"] == arm]
        for arm in (0, 1)
    ]
    assert plain.effect == pytest.approx(np.mean(y[1]) - np.mean(y[0]))
    assert plain.naive.p_value == pytest.approx(stats.ttest_ind(y[1], y[0], equal_var=False).pvalue)
    assert plain.variance_reduction == 0 < adjusted.variance_reduction
    assert adjusted.looks[-1].standard_error < plain.looks[-1].standard_error


def test_a_mismatch_of_shares_comes_before_everything_else():
    trial = make_trial()
    store_facts(trial, visitors(np.random.default_rng(4), 3_000, uplift=1.0, shares=[0.4, 0.6]))
    found = read(trial)
    assert found.decision == "srm"
    assert "find out why" in found.sentence
    assert found.leading.primary.srm.p_value < 1e-4


def test_a_guardrail_that_is_surely_hurt_is_named():
    trial = make_trial(metric="units", guardrails={"revenue": "0.05"})
    store_facts(trial, visitors(np.random.default_rng(5), 4_000, uplift=-0.6))
    found = read(trial)
    assert found.decision == "guardrail"
    assert found.breached == ["revenue"]
    assert "revenue is hurt" in found.sentence
    assert set(found.leading.by_metric) == {"units", "revenue"}


def test_a_guardrail_that_is_hurt_less_than_tolerated_stops_nothing():
    trial = make_trial(metric="units", guardrails={"revenue": "0.9"})
    store_facts(trial, visitors(np.random.default_rng(5), 4_000, uplift=-0.6))
    assert read(trial).decision == "continue"


def test_several_arms_share_alpha_and_the_leading_one_is_named():
    trial = make_trial(shares=(3_334, 3_333, 3_333))
    store_facts(trial, visitors(np.random.default_rng(6), 4_500, uplift=1.5, arms=3))
    found = read(trial)
    assert found.decision == "benefit"
    assert found.sentence.startswith("c: The treatment is better")
    assert [each.arm.name for each in found.arms] == ["b", "c"]
    assert found.arms[1].corrected["revenue"] >= found.arms[1].primary.p_value


def test_a_ratio_is_of_sums_and_its_error_that_of_units():
    trial = make_trial(metric="revenue_per_order")
    units = [
        {
            "unit": f"v{at}",
            "arm": at % 2,
            "days": {0: {"exposures": 1, "orders": 1 + at % 3, "revenue": (1 + at % 3) * (10 + 2 * (at % 2) + at % 5)}},
        }
        for at in range(600)
    ]
    store_facts(trial, units)
    primary = read(trial, day=1).leading.primary
    sums = [[(u["days"][0]["revenue"], u["days"][0]["orders"]) for u in units if u["arm"] == arm] for arm in (0, 1)]
    ratios = [sum(y for y, _ in each) / sum(x for _, x in each) for each in sums]
    assert primary.effect == pytest.approx(ratios[1] - ratios[0])
    assert primary.decision == "benefit"


def paired_trial(rng, pairs, days, uplift):
    """Pairs of SKUs alike in level; a SKU's level differs far more than the effect."""
    levels = rng.lognormal(3, 1, pairs)
    listings = [(make_listing(), make_listing()) for _ in range(pairs)]
    units = [
        {"listing": both[arm], "arm": arm, "block": at, "cluster": both[arm].pk}
        for at, both in enumerate(listings)
        for arm in (0, 1)
    ]
    trial = make_trial("sku", matching="pairs", metric="revenue", units=units)
    facts = []
    for at, both in enumerate(listings):
        for arm in (0, 1):
            before = levels[at] * rng.normal(1, 0.05)
            sold = rng.poisson(before * (1 + uplift * arm), days)
            facts.append(
                {
                    "unit": f"sku:{both[arm].pk}",
                    "arm": arm,
                    "covariate": Decimal(str(round(10 * before, 4))),
                    "days": {
                        day: {"exposures": 1, "units": n, "revenue": n * 10} for day, n in enumerate(sold.tolist())
                    },
                }
            )
    store_facts(trial, facts)
    return trial, facts


def test_matched_pairs_see_an_effect_that_lies_within_the_spread_of_skus():
    trial, facts = paired_trial(np.random.default_rng(7), pairs=60, days=14, uplift=0.15)
    primary = read(trial, day=14).leading.primary
    assert primary.decision == "benefit"
    assert primary.relative_effect == pytest.approx(0.15, abs=0.06)
    assert primary.n == 60
    assert primary.variance_reduction > 0.9
    assert primary.srm is None
    totals = [
        [sum(day["revenue"] for day in f["days"].values()) / 14 for f in facts if f["arm"] == arm] for arm in (0, 1)
    ]
    assert primary.control_mean == pytest.approx(np.mean(totals[0]), rel=0.01)
    assert stats.ttest_ind(totals[1], totals[0]).pvalue > 0.05


def test_slots_are_compared_in_time():
    trial = make_trial("switchback", metric="revenue")
    rng = np.random.default_rng(8)
    first = int(STARTED.timestamp() // 3_600)
    units = [
        {
            "unit": str(first + at),
            "arm": int(rng.random() < 0.5),
            "days": {at // 24: {"exposures": 5, "revenue": 0}},
        }
        for at in range(24 * 14)
    ]
    for at, unit in enumerate(units):
        level = 100 + 30 * np.sin(at % 24 / 24 * 2 * np.pi) + 15 * unit["arm"] + rng.normal(0, 5)
        unit["days"][at // 24]["revenue"] = Decimal(str(round(level, 2)))
    store_facts(trial, units)
    primary = read(trial, day=14).leading.primary
    assert primary.decision == "benefit"
    assert primary.effect == pytest.approx(15, abs=8)
    assert primary.n == 24 * 14


@pytest.mark.parametrize("design", ["sku", "category"])
def test_a_day_of_a_unit_is_one_of_the_days_that_count(design):
    """Started in the afternoon of day 0: of three days two count, and each brings 10 or 12."""
    units = [{"listing": make_listing(), "arm": at % 2} for at in range(8)]
    trial = make_trial(design, matching="none", units=units, started_at=after(hours=15))
    facts = [{"exposures": 1, "revenue": 10 + 2 * (at % 2)} for at in range(8)]
    store_facts(
        trial,
        [
            {"unit": f"{design}:{unit['listing'].pk}", "arm": unit["arm"], "days": {1: sold, 2: sold}}
            for unit, sold in zip(units, facts, strict=True)
        ],
    )
    found = read(trial, day=3)
    assert (found.day, found.leading.primary.control_mean, found.leading.primary.treatment_mean) == (3, 10, 12)
    assert found.leading.primary.effect == pytest.approx(2)


def weekly_slots(trial, revenue):
    """Slots of a week, one arm after the other; all of a slot's facts are those of the day on which it began."""
    first = -int(-trial.started_at.timestamp() // WEEK)
    began = [datetime.fromtimestamp((first + at) * WEEK, UTC) for at in range(len(revenue))]
    days = [
        {(day - trial.started_at).days: {"exposures": 9, "revenue": sold}}
        for day, sold in zip(began, revenue, strict=True)
    ]
    units = [{"unit": str(first + at), "arm": at % 2, "days": sums} for at, sums in enumerate(days)]
    return units, [day + timedelta(days=7) for day in began]


def test_a_slot_is_read_when_it_is_over_and_not_before():
    """Without an effect; the slot that runs has sold a third of its week."""
    started = STARTED - timedelta(days=7)
    trial = make_trial("switchback", metric="revenue", slot_seconds=WEEK, washout_seconds=0, started_at=started)
    units, ends = weekly_slots(trial, [700, 700, 230])
    store_facts(trial, units)
    assert readout_for(experiment=trial, at=ends[1] - timedelta(hours=1)).leading is None
    for at in (ends[1], ends[1] + timedelta(days=3)):
        primary = readout_for(experiment=trial, at=at).leading.primary
        assert (primary.n, primary.control_mean, primary.treatment_mean) == (2, 700, 700)
    last = readout_for(experiment=trial, at=ends[2])
    assert (last.leading.primary.n, last.until) == (3, ends[2].date() - timedelta(days=1))


def test_a_slot_that_the_start_or_the_stop_cuts_is_never_read():
    trial = make_trial(
        "switchback", metric="revenue", started_at=after(hours=0.5), status="stopped", stopped_at=after(1.02)
    )
    first = int(STARTED.timestamp() // 3_600)
    store_facts(
        trial,
        [
            {"unit": str(first + at), "arm": at % 2, "days": {at // 24: {"exposures": 1, "revenue": 10}}}
            for at in range(25)
        ],
    )
    assert read(trial, day=5).leading.primary.n == 23


def test_regions_are_units_whose_metric_is_that_of_a_day():
    trial = make_trial("region", metric="revenue", horizon_days=20, method="spending")
    rng = np.random.default_rng(9)
    units = [
        {
            "unit": f"r{at}",
            "arm": at % 2,
            "covariate": Decimal(100 + at),
            "days": {
                day: {"exposures": 9, "revenue": 100 + at + 10 * (at % 2) + int(rng.normal(0, 5))} for day in range(10)
            },
        }
        for at in range(40)
    ]
    store_facts(trial, units)
    primary = read(trial, day=10).leading.primary
    assert primary.relative_effect == pytest.approx(0.08, abs=0.03)
    assert primary.control_mean == pytest.approx(119, abs=3)
    assert primary.variance_reduction > 0.5


def test_crossovers_are_said():
    trial = make_trial()
    events = [
        UnitEvent("exposure", "1", "ann", "control", after(0.5), exposures=1),
        UnitEvent("exposure", "2", "ann", "b", after(0.5), exposures=1),
    ]
    record_experiment_events(experiment=trial, events=events, now=after(1))
    assert read(trial).crossovers == 1


def test_one_query_sums_up_all_arms_and_days(django_assert_max_num_queries):
    trial = make_trial(guardrails={"profit": "0.5"})
    store_facts(trial, visitors(np.random.default_rng(10), 500))
    with django_assert_max_num_queries(6):
        read(trial)
