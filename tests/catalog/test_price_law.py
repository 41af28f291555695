"""The table of cases. Times are the shop's own: midnight to midnight in Berlin."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from catalog.price_law import NO_RULE, CountryRule, PriceBeside, judge_price, reduction_percent

BERLIN = ZoneInfo("Europe/Berlin")
EU = CountryRule("98/6/EC", 30, BERLIN)
STEPS = CountryRule("98/6/EC with steps", 30, BERLIN, progressive=True)
START = datetime(2026, 1, 10, 12, tzinfo=BERLIN)


def history(*changes):
    """(day after the start, price) …"""
    return [(START + timedelta(days=day), Decimal(price)) for day, price in changes]


def judge(*changes, day, rule=EU, before=None, arms=()):
    at = START + timedelta(days=day)
    beside = [
        PriceBeside(on(begins), None if ends is None else on(ends), Decimal(price)) for begins, ends, price in arms
    ]
    return judge_price(history(*changes), at=at, rule=rule, price_before=before and Decimal(before), beside=beside)


def on(day):
    return START + timedelta(days=day)


def told(judgement):
    return str(judgement.prior_price), judgement.reduction_may_be_announced, judgement.announced_percent


def test_a_reduction_from_a_stable_price_may_be_announced():
    judgement = judge((0, "100"), (60, "75"), day=61)
    assert told(judgement) == ("100", True, 25)
    assert judgement.window_closes == START + timedelta(days=60)
    assert judgement.window_opens == datetime(2026, 2, 9, 0, tzinfo=BERLIN) and judgement.is_reduced


def test_80_then_100_then_90_within_thirty_days_is_no_reduction():
    assert told(judge((0, "80"), (50, "100"), (60, "90"), day=60)) == ("80", False, None)


def test_a_stable_price_has_a_prior_price():
    judgement = judge((0, "100"), day=400)
    assert told(judgement) == ("100", False, None)
    assert (judgement.is_reduced, judgement.holds_until) == (False, None)


def test_the_last_price_before_the_window_counts():
    # 80 ends within the window though its row is far older
    assert told(judge((0, "80"), (80, "100"), (100, "90"), day=100)) == ("80", False, None)


def test_a_reduction_after_thirty_one_days_at_100_is_from_100():
    assert told(judge((0, "80"), (50, "100"), (81, "90"), day=81)) == ("100", True, 10)


def test_what_ended_before_the_window_does_not_count_and_what_ended_in_it_does():
    # the window of a reduction at noon of day 60 opens at the midnight before noon of day 30
    half_a_day = 0.5
    assert told(judge((0, "80"), (30 - half_a_day, "100"), (60, "90"), day=60)) == ("100", True, 10)
    just_in_it = (30 - half_a_day + 1 / 86_400, "100")
    assert told(judge((0, "80"), just_in_it, (60, "90"), day=60)) == ("80", False, None)


def test_a_second_step_is_a_reduction_of_its_own():
    assert told(judge((0, "100"), (60, "90"), (70, "80"), day=70)) == ("90", True, 11)


def test_steps_keep_the_prior_price_of_before_the_first_where_the_law_allows_it():
    judgement = judge((0, "100"), (60, "90"), (70, "80"), (75, "70"), day=80, rule=STEPS)
    assert told(judgement) == ("100", True, 30)
    assert judgement.window_closes == START + timedelta(days=60)


def test_steps_that_were_interrupted_begin_anew():
    interrupted = (0, "100"), (60, "90"), (65, "95"), (70, "80")
    assert told(judge(*interrupted, day=70, rule=STEPS)) == ("90", True, 11)


def test_steps_from_the_very_first_price_go_back_to_the_list_price():
    assert told(judge((0, "90"), (10, "80"), day=10, rule=STEPS, before="100")) == ("100", True, 20)


def test_a_price_raised_in_a_promotion_is_no_reduction_any_more():
    judgement = judge((0, "100"), (60, "70"), (65, "85"), day=66)
    assert told(judgement) == ("70", False, None) and not judgement.is_reduced


def test_lowering_it_again_is_judged_against_the_promotion():
    assert told(judge((0, "100"), (60, "70"), (65, "85"), (70, "75"), day=70)) == ("70", False, None)


def test_a_very_short_dip_counts():
    one_second = 1 / 86_400
    assert told(judge((0, "100"), (50, "60"), (50 + one_second, "100"), (60, "90"), day=60)) == ("60", False, None)


def test_of_two_changes_at_one_instant_the_later_is_in_force_and_the_earlier_counts():
    assert told(judge((0, "100"), (50, "60"), (50, "95"), day=55)) == ("60", False, None)
    assert told(judge((0, "100"), (50, "95"), (50, "60"), day=55)) == ("95", True, 36)


def test_the_first_ever_price_has_itself_as_the_prior_price():
    assert told(judge((0, "100"), day=0)) == ("100", False, None)


def test_the_list_price_applied_before_the_first_row():
    assert told(judge((0, "90"), day=0, before="100")) == ("100", True, 10)
    assert told(judge((0, "100"), (5, "90"), day=5, before="80")) == ("80", False, None)


def test_only_a_list_price():
    assert told(judge(day=0, before="100")) == ("100", False, None)


def test_no_price_at_all_is_an_error():
    with pytest.raises(ValueError, match="no price applied at 2026-01-10"):
        judge((1, "100"), day=0)


def test_a_running_reduction_stays_what_it_was():
    first, later = (judge((0, "100"), (60, "90"), day=day) for day in (60, 600))
    assert first == later and first.holds_until is None


def test_what_has_not_happened_yet_does_not_count():
    assert told(judge((0, "100"), (60, "90"), (70, "10"), day=65)) == ("100", True, 10)


def test_without_a_rule_nothing_is_judged_and_the_prior_price_is_reported():
    assert told(judge((0, "100"), (60, "90"), day=60, rule=NO_RULE)) == ("100", None, None)


def test_a_percentage_is_never_more_than_is_true():
    assert [reduction_percent(Decimal(100), Decimal(price)) for price in ("99.50", "87.01", "87.00")] == [0, 12, 13]
    assert reduction_percent(Decimal("2.99"), Decimal("1.99")) == 33


@pytest.mark.parametrize(
    ("reduced_at", "opens"),
    [
        # Summer time began on 29 March 2026 and ended on 25 October: 719 and 721 hours are 30 days.
        (datetime(2026, 4, 10, 9, tzinfo=BERLIN), datetime(2026, 3, 11, 0, tzinfo=BERLIN)),
        (datetime(2026, 11, 10, 9, tzinfo=BERLIN), datetime(2026, 10, 11, 0, tzinfo=BERLIN)),
        # A leap day is a day.
        (datetime(2028, 3, 15, 9, tzinfo=BERLIN), datetime(2028, 2, 14, 0, tzinfo=BERLIN)),
        (datetime(2027, 3, 15, 9, tzinfo=BERLIN), datetime(2027, 2, 13, 0, tzinfo=BERLIN)),
        # Half an hour before midnight in Berlin it is still the day before in UTC's terms, and the other way round.
        (datetime(2026, 6, 9, 22, 30, tzinfo=UTC), datetime(2026, 5, 11, 0, tzinfo=BERLIN)),
    ],
)
def test_days_are_those_of_the_calendar_where_the_shop_sells(reduced_at, opens):
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    change = opens - timedelta(microseconds=0)
    judgement = judge_price(
        [(long_ago, Decimal(80)), (change, Decimal(100)), (reduced_at, Decimal(90))], at=reduced_at, rule=EU
    )
    assert judgement.window_opens == opens
    assert told(judgement) == ("100", True, 10)
    earlier = [(long_ago, Decimal(80)), (opens.astimezone(UTC) + timedelta(seconds=1), Decimal(100))]
    assert told(judge_price([*earlier, (reduced_at, Decimal(90))], at=reduced_at, rule=EU)) == ("80", False, None)


def test_a_stable_price_says_when_its_prior_price_changes_with_time_alone():
    changes = history((0, "80"), (50, "100"))
    judgement = judge_price(changes, at=START + timedelta(days=60), rule=EU)
    until = judgement.holds_until
    # 80 ended at noon of 1 March: the first window without it opens at midnight after, 30 days before 1 April.
    assert until == datetime(2026, 4, 1, 0, tzinfo=BERLIN)
    second = timedelta(seconds=1)
    assert judge_price(changes, at=until.astimezone(UTC) - second, rule=EU).prior_price == 80
    assert judge_price(changes, at=until, rule=EU).prior_price == 100


@pytest.mark.parametrize("last", [datetime(2026, 3, 1, 0, tzinfo=BERLIN), datetime(2026, 3, 1, 23, 59, tzinfo=BERLIN)])
def test_the_moment_of_change_is_exact_at_midnight_too(last):
    changes = [(START, Decimal(80)), (last, Decimal(100))]
    until = judge_price(changes, at=last, rule=EU).holds_until
    assert judge_price(changes, at=until.astimezone(UTC) - timedelta(seconds=1), rule=EU).prior_price == 80
    assert judge_price(changes, at=until, rule=EU).prior_price == 100


@pytest.mark.parametrize(
    ("changes", "at", "says"),
    [
        ([(datetime(2026, 1, 1), Decimal(1))], START, "time zone"),
        ([(START, Decimal(1))], datetime(2026, 1, 1), "time zone"),
        ([(START, Decimal(1)), (START - timedelta(days=1), Decimal(2))], START, "order"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes, at, says):
    with pytest.raises(ValueError, match=says):
        judge_price(changes, at=at, rule=EU)


@pytest.mark.parametrize(
    ("arm", "prior"),
    [
        ((40, 50, "70"), "70"),  # tried in the window
        ((10, 20, "70"), "100"),  # over before it opened
        ((10, 35, "70"), "70"),  # ended in it
        ((55, None, "70"), "70"),  # still tried
        ((60, None, "70"), "100"),  # begun with the reduction itself
        ((40, 50, "120"), "100"),
    ],
)
def test_a_price_that_was_tried_on_some_shoppers_was_applied(arm, prior):
    judgement = judge((0, "100"), (60, "90"), day=65, arms=[arm])
    assert told(judgement)[:2] == (prior, Decimal(prior) > 90)


def test_a_tried_price_leaves_the_window_with_time_alone_once_it_has_ended():
    ended = judge((0, "100"), day=60, arms=[(40, 50, "70")])
    assert str(ended.prior_price) == "70" and ended.holds_until == datetime(2026, 4, 1, 0, tzinfo=BERLIN)
    running = judge((0, "100"), day=60, arms=[(40, None, "70")])
    assert str(running.prior_price) == "70" and running.holds_until is None
