import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.db.models import Sum
from django.utils import timezone

from experiments.models import ArmCount, PricingDecision
from experiments.selectors.arm_counts import arm_totals
from experiments.services.decide_prices import OUTCOME_WINDOW, DemandEvent, decide_prices
from experiments.services.record_outcomes import CLOCK_TOLERANCE, Outcome, expire_decisions, record_outcomes
from tests.factories import make_listing

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def decisions(number):
    make_listing("A")
    events = [DemandEvent(uuid.uuid4(), "web", "A", "london", 1, 1, NOW) for _ in range(number)]
    decide_prices(events=events, now=NOW, rng=np.random.default_rng(0))
    return list(PricingDecision.objects.order_by("pk"))


def outcome(decision, purchased=True, after=timedelta(minutes=5)):
    return Outcome(decision.decision_id, purchased, NOW + after)


def record(*outcomes, now=NOW):
    return record_outcomes(outcomes=outcomes, now=now)


def learned():
    """Return (purchases, rejections) that are counted."""
    return tuple(ArmCount.objects.aggregate(Sum("purchases"), Sum("rejections")).values())


def test_a_purchase_and_a_rejection_move_the_posterior_of_their_own_arm():
    first, second = decisions(2)
    report = record(outcome(first), outcome(second, purchased=False))
    assert len(report.learned) == 2
    for decision, state in ((first, "purchased"), (second, "rejected")):
        decision.refresh_from_db()
        assert (decision.state, decision.outcome_at) == (state, NOW + timedelta(minutes=5))
    assert learned() == (1, 1)
    assert arm_totals([first.arm_id])[first.arm_id][0] == 1


def test_an_outcome_is_counted_once_across_batches_and_within_one():
    (decision,) = decisions(1)
    assert len(record(outcome(decision), outcome(decision)).duplicates) == 1
    assert len(record(outcome(decision)).duplicates) == 1
    assert learned() == (1, 0)


def test_the_first_of_two_conflicting_outcomes_counts():
    (decision,) = decisions(1)
    report = record(outcome(decision, purchased=False), outcome(decision))
    assert (len(report.learned), len(report.conflicting)) == (1, 1)
    assert len(record(outcome(decision)).conflicting) == 1
    assert learned() == (0, 1)


def test_an_unknown_decision_is_reported_and_the_rest_is_learned():
    (decision,) = decisions(1)
    stranger = Outcome(uuid.uuid4(), True, NOW)
    report = record(stranger, outcome(decision))
    assert (report.unknown, len(report.learned)) == ([stranger], 1)


def test_without_an_outcome_in_time_a_decision_counts_as_a_rejection_once():
    decisions(3)
    much_later = NOW + OUTCOME_WINDOW + timedelta(days=3)
    assert [expire_decisions(now=much_later, limit=2) for _ in range(3)] == [2, 1, 0]
    assert learned() == (0, 3)


@pytest.mark.parametrize("expired_before", [True, False])
def test_an_outcome_after_the_window_leaves_the_assumed_rejection(expired_before):
    (decision,) = decisions(1)
    much_later = NOW + OUTCOME_WINDOW + timedelta(days=3)
    if expired_before:
        expire_decisions(now=much_later)
    report = record(outcome(decision, after=OUTCOME_WINDOW + timedelta(seconds=1)), now=much_later)
    assert len(report.late) == 1
    decision.refresh_from_db()
    assert decision.state == "expired"
    assert learned() == (0, 1)


@pytest.mark.parametrize(("purchased", "counts"), [(True, (1, 0)), (False, (0, 1))])
def test_an_outcome_that_happened_in_time_counts_however_late_it_arrives(purchased, counts):
    (decision,) = decisions(1)
    much_later = NOW + OUTCOME_WINDOW + timedelta(days=3)
    expire_decisions(now=much_later)
    assert learned() == (0, 1)
    assert len(record(outcome(decision, purchased, after=OUTCOME_WINDOW), now=much_later).learned) == 1
    assert len(record(outcome(decision, purchased, after=OUTCOME_WINDOW), now=much_later).duplicates) == 1
    assert learned() == counts


def test_an_outcome_from_before_its_decision_is_none_unless_the_clocks_may_differ():
    first, second = decisions(2)
    report = record(outcome(first, after=-CLOCK_TOLERANCE), outcome(second, after=-timedelta(minutes=6)))
    assert ([each.decision_id for each in report.learned], len(report.premature)) == ([first.decision_id], 1)
    assert learned() == (1, 0)


def test_the_posterior_does_not_depend_on_order_or_batches():
    rows = decisions(60)
    rng = np.random.default_rng(1)
    outcomes = [outcome(row, purchased=bool(rng.random() < 0.4)) for row in rows]
    for part in np.array_split(rng.permutation(np.repeat(np.arange(60), 2)), 7):
        record(*[outcomes[index] for index in part])
    bought = sum(each.purchased for each in outcomes)
    assert learned() == (bought, 60 - bought)
    for arm, counts in arm_totals([row.arm_id for row in rows]).items():
        own = [each.purchased for row, each in zip(rows, outcomes, strict=True) if row.arm_id == arm]
        assert counts == (sum(own), len(own) - sum(own))


def test_the_number_of_queries_does_not_grow_with_the_batch(django_assert_max_num_queries):
    rows = decisions(300)
    with django_assert_max_num_queries(6):
        record(*[outcome(row) for row in rows])


def test_an_empty_batch_is_no_work():
    assert record().learned == []
