import os
import random
import signal
import threading
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.arms import drawn_arm
from experiments.models import ArmDay, ExperimentEvent, UnitDay, UnitState
from experiments.selectors.arm_moments import arm_day_changes
from experiments.services import record_experiment_events as module
from experiments.services.arm_days import recompute_arm_days
from experiments.services.record_experiment_events import EventsNotWanted, UnitEvent, record_experiment_events
from tests.experiments.trials import STARTED, after, arm_days, make_trial
from tests.locks import wait_until_somebody_waits

pytestmark = pytest.mark.django_db
NOW = after(days=30)


def exposure(event_id, unit, arm="control", day=0.5, **fields):
    return UnitEvent(ExperimentEvent.Kind.EXPOSURE, event_id, unit, arm, after(day), exposures=1, **fields)


def outcome(event_id, unit, revenue, arm="control", day=0.5, **fields):
    facts = {"orders": 1, "units": 2, "profit": Decimal(revenue) / 4} | fields
    return UnitEvent(ExperimentEvent.Kind.OUTCOME, event_id, unit, arm, after(day), revenue=Decimal(revenue), **facts)


def record(experiment, *events, now=NOW):
    return [str(each) for each in record_experiment_events(experiment=experiment, events=events, now=now).verdicts]


def random_events(seed, units=12, number=60):
    """Exposures and outcomes of a few units over six days, some before their unit's first exposure."""
    rng = random.Random(seed)
    arm_of = {f"v{at}": rng.choice(["control", "b"]) for at in range(units)}
    events = []
    for at in range(number):
        unit, day = rng.choice(list(arm_of)), rng.randrange(6) + 0.5
        if rng.random() < 0.5:
            events.append(exposure(f"e{at}", unit, arm_of[unit], day))
        else:
            events.append(outcome(f"o{at}", unit, rng.choice(["10.00", "0.01", "99.99"]), arm_of[unit], day))
    return events


def test_exposures_and_outcomes_become_sums_of_their_arms():
    trial = make_trial()
    assert (
        record(
            trial,
            exposure("1", "ann"),
            exposure("2", "bob", "b"),
            outcome("3", "ann", "8.00"),
            exposure("4", "ann", day=1.5),
        )
        == ["counted"] * 4
    )
    assert arm_days(trial) == {
        ("control", "revenue", 0): (1, 1, 8, 64, 0, 0, 0),
        ("control", "revenue", 1): (1, 0, 0, 0, 0, 0, 0),
        ("b", "revenue", 0): (1, 1, 0, 0, 0, 0, 0),
    }


def test_a_units_square_is_that_of_its_total_so_a_late_outcome_changes_later_days_too():
    trial = make_trial()
    record(trial, exposure("1", "ann", day=0), outcome("2", "ann", "5.00", day=3))
    record(trial, outcome("3", "ann", "2.00", day=1))
    revenue = {key[2]: (sums[2], sums[3]) for key, sums in arm_days(trial).items()}
    assert revenue == {0: (0, 0), 1: (2, 4), 3: (5, 49 - 4)}


def test_the_covariate_and_the_denominator_are_summed_beside_the_metric():
    trial = make_trial(guardrails={"revenue_per_order": "0.1", "conversion": "0.1"})
    record(trial, exposure("1", "ann", covariate=Decimal("1.5")), outcome("2", "ann", "8.00", orders=2))
    record(trial, exposure("3", "bob", covariate=Decimal("2.5")))
    sums = {key[1]: each[1:] for key, each in arm_days(trial).items()}
    assert sums == {
        "revenue": (2, 8, 64, 4, Decimal("8.5"), 12),
        "conversion": (2, 1, 1, 4, Decimal("8.5"), Decimal("1.5")),
        "revenue_per_order": (2, 8, 64, 2, 4, 16),
    }


def test_a_region_may_sell_for_more_than_a_price_can_be():
    """A hundred times the most that one outcome may bring, on one day."""
    trial = make_trial("region", metric="profit")
    arm = module.DrawnArms(trial).ids
    name = {pk: each for each, pk in arm.items()}[module.DrawnArms(trial).arm_of("java")]
    amount = Decimal("9999999999.9999")
    sales = [outcome(str(at), "java", amount, name, profit=amount) for at in range(100)]
    assert set(record(trial, exposure("first", "java", name), *sales)) == {"counted"}
    assert UnitDay.objects.get().revenue == UnitDay.objects.get().profit == 100 * amount
    assert arm_days(trial)[name, "profit", 0][2:4] == (100 * amount, (100 * amount) ** 2)


def test_the_same_event_counts_once_and_another_of_its_id_is_refused():
    trial = make_trial()
    event = outcome("1", "ann", "5.00")
    assert record(trial, event, event) == ["counted", "duplicate"]
    assert record(trial, event, outcome("1", "ann", "6.00"), outcome("1", "ann", "5.0000")) == [
        "duplicate",
        "conflicting",
        "duplicate",
    ]
    assert UnitDay.objects.get().revenue == 5


def test_an_outcome_may_come_before_its_exposure_and_counts_from_then_on():
    trial = make_trial()
    record(trial, outcome("1", "ann", "5.00", day=2), outcome("2", "ann", "7.00", day=0))
    assert arm_days(trial) == {}
    record(trial, exposure("3", "ann", day=1))
    assert arm_days(trial) == {
        ("control", "revenue", 1): (1, 1, 0, 0, 0, 0, 0),
        ("control", "revenue", 2): (0, 0, 5, 25, 0, 0, 0),
    }


def test_a_unit_that_reports_another_arm_crossed_over_and_is_counted_as_nothing():
    trial = make_trial()
    record(trial, exposure("1", "ann"))
    again = outcome("2", "ann", "5.00", "b", day=1)
    assert record(trial, again) == record(trial, again) == ["crossover"]
    assert ExperimentEvent.objects.filter(is_crossover=True).count() == 1
    assert UnitDay.objects.get().revenue == 0


def test_the_hash_gives_a_region_its_arm_whatever_it_reports_first():
    trial = make_trial("region")
    drawn = ["control", "b"][drawn_arm(trial.salt, "london", [5_000, 5_000])]
    other = {"control": "b", "b": "control"}[drawn]
    assert record(trial, exposure("1", "london", other), exposure("2", "london", drawn)) == ["crossover", "counted"]
    assert UnitState.objects.get().arm.name == drawn


def test_a_slot_is_its_time_and_its_wash_out_counts_for_nothing():
    trial = make_trial("switchback")
    slot = int(after(1, hours=1).timestamp() // 3_600)
    arm = module.DrawnArms(trial).arm_of(str(slot))
    name = trial.arms.get(pk=arm).name
    soon = UnitEvent(ExperimentEvent.Kind.EXPOSURE, "1", "", name, after(1, hours=1.1), exposures=1)
    later = UnitEvent(ExperimentEvent.Kind.EXPOSURE, "2", "", name, after(1, hours=1.5), exposures=1)
    assert record(trial, soon, later) == ["washout", "counted"]
    assert UnitDay.objects.get().unit == str(slot)


def test_what_happens_in_the_slot_that_the_start_cuts_counts_for_nothing():
    trial = make_trial("switchback", started_at=after(hours=0.25), washout_seconds=60)
    arms = {pk: name for name, pk in module.DrawnArms(trial).ids.items()}
    first = int(STARTED.timestamp() // 3_600)
    events = [
        UnitEvent(ExperimentEvent.Kind.EXPOSURE, str(at), "", arms[module.DrawnArms(trial).arm_of(str(first + at))],
                  after(hours=at + 0.5), exposures=1)
        for at in (0, 1)
    ]  # fmt: skip
    assert record(trial, *events) == ["washout", "counted"]
    assert UnitDay.objects.get().unit == str(first + 1)


def test_a_slot_over_midnight_has_one_day():
    trial = make_trial("switchback", slot_seconds=7 * 3_600)
    slot = int(after(1).timestamp() // (7 * 3_600))
    name = trial.arms.get(pk=module.DrawnArms(trial).arm_of(str(slot))).name
    began = timedelta(seconds=slot * 7 * 3_600) - timedelta(seconds=STARTED.timestamp())
    for at, hours in enumerate((1, 6)):
        event = UnitEvent(ExperimentEvent.Kind.EXPOSURE, str(at), "", name, STARTED + began + timedelta(hours=hours), 1)
        assert record(trial, event) == ["counted"]
    assert UnitDay.objects.get().exposures == 2


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (exposure("1", "ann", "z"), "unknown_arm"),
        (exposure("1", "ann", day=-0.1), "outside_period"),
        (exposure("1", "ann", day=21), "outside_period"),
        (exposure("1", "ann", day=31), "in_the_future"),
        (exposure("1", ""), "no_unit"),
    ],
)
def test_what_cannot_be_counted_is_named_and_the_rest_is_counted(event, verdict):
    trial = make_trial(status="stopped", stopped_at=after(20))
    assert record(trial, exposure("2", "bob"), event) == ["counted", verdict]
    assert ExperimentEvent.objects.count() == 1
    assert module.Verdict(verdict).words


def test_designs_that_are_read_from_sales_and_drafts_take_no_events():
    with pytest.raises(EventsNotWanted, match="daily sales"):
        record(make_trial("sku"), exposure("1", "ann"))
    with pytest.raises(EventsNotWanted, match="not started"):
        record(make_trial(status="draft", started_at=None), exposure("1", "ann"))


def test_a_units_day_is_cut_to_the_cap_of_the_plan():
    trial = make_trial(plan={"winsor_caps": {"revenue": "10"}})
    record(trial, exposure("1", "ann"), outcome("2", "ann", "6.00"), outcome("3", "ann", "6.00"))
    record(trial, outcome("4", "ann", "3.00", day=1))
    assert {key[2]: sums[2:4] for key, sums in arm_days(trial).items()} == {0: (10, 100), 1: (3, 169 - 100)}
    assert UnitDay.objects.order_by("day").first().revenue == 12


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), order=st.randoms(use_true_random=False), batch=st.integers(1, 40))
def test_the_sums_do_not_depend_on_order_batches_or_repetition(seed, order, batch):
    with transaction.atomic():
        events = random_events(seed)
        once = make_trial(guardrails={"profit": "0.1", "revenue_per_order": "0.1", "conversion": "0.1"})
        record(once, *events)
        shuffled = events * 2
        order.shuffle(shuffled)
        many = make_trial(guardrails={"profit": "0.1", "revenue_per_order": "0.1", "conversion": "0.1"})
        for start in range(0, len(shuffled), batch):
            record(many, *shuffled[start : start + batch])
        assert arm_days(once) == arm_days(many) != {}
        recompute_arm_days(experiment=many)
        assert arm_days(once) == arm_days(many)
        transaction.set_rollback(True)


def test_rebuilt_sums_equal_the_kept_ones_and_a_lost_row_is_found_and_comes_back(capsys):
    trial = make_trial()
    record(trial, *random_events(1))
    kept = arm_days(trial)
    call_command("check_experiment_sums", trial.code)
    assert "are those of its units" in capsys.readouterr().out
    ArmDay.objects.filter(arm__experiment=trial, arm__name="b").delete()
    with pytest.raises(CommandError, match="--rebuild mends them") as wrong:
        call_command("check_experiment_sums", trial.code)
    assert wrong.value.returncode == 1
    assert "b, revenue, 20" in capsys.readouterr().out
    call_command("check_experiment_sums", trial.code, rebuild=True)
    assert arm_days(trial) == kept


def test_the_check_of_an_unknown_experiment_ends_with_2():
    with pytest.raises(CommandError, match="No price experiment 'nope'") as unknown:
        call_command("check_experiment_sums", "nope")
    assert unknown.value.returncode == 2


def test_the_number_of_queries_does_not_grow_with_the_batch(django_assert_max_num_queries):
    trial = make_trial()
    with django_assert_max_num_queries(16):
        record(trial, *random_events(2, units=200, number=600))


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_nothing_is_stored_and_the_retry_counts_all():
    trial = make_trial()
    events = random_events(3)
    connection.close()
    child = os.fork()
    if child == 0:
        add = module._Counting._add

        def add_and_die(self, counted):
            add(self, counted)
            os.kill(os.getpid(), signal.SIGKILL)

        module._Counting._add = add_and_die
        try:
            record(trial, *events)
        finally:
            os._exit(1)  # never reached: the kill comes first
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not ExperimentEvent.objects.exists() and not UnitDay.objects.exists() and not ArmDay.objects.exists()
    assert set(record(trial, *events)) == {"counted"}
    assert Counter(record(trial, *events)) == Counter(duplicate=len(events))


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_the_same_units_in_opposite_orders_wait_for_each_other_and_lose_nothing():
    trial = make_trial()
    record(trial, exposure("0", "ann"), exposure("00", "bob"))
    mine = [outcome("1", "ann", "1.00"), outcome("2", "bob", "2.00")]
    theirs = [outcome("4", "bob", "8.00"), outcome("3", "ann", "4.00"), outcome("1", "ann", "1.00")]
    seen = []

    def write():
        try:
            seen.extend(record(trial, *theirs))
        finally:
            connection.close()

    with transaction.atomic():
        record(trial, *mine)
        other = threading.Thread(target=write)
        other.start()
        wait_until_somebody_waits()
    other.join(20)
    assert seen == ["counted", "counted", "duplicate"]
    assert arm_days(trial)["control", "revenue", 0][2:4] == (15, 5**2 + 10**2)
    kept = arm_days(trial)
    recompute_arm_days(experiment=trial)
    assert arm_days(trial) == kept


def test_the_changes_of_no_units_are_none():
    trial = make_trial()
    record(trial, exposure("1", "ann"))
    assert arm_day_changes(trial, []) == {}
    assert arm_day_changes(trial)
