import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from experiments.models import PricingDecision
from experiments.services.decide_prices import DemandEvent, decide_prices
from experiments.services.record_outcomes import Outcome, record_outcomes
from optimizer.features.online import stored_records
from optimizer.features.rows import PLACE
from optimizer.models import ActivityIncrement, ActivityRecording
from optimizer.services import record_activity as service
from optimizer.services.record_activity import View, record_activity
from tests.factories import make_channel, make_listing
from tests.optimizer.features.rows import NOW, begin_recording

pytestmark = pytest.mark.django_db


def view(sku="A", *, event_id=None, requests=3, happened_at=NOW - timedelta(minutes=1), channel="web"):
    return View(event_id or uuid.uuid4(), channel, sku, requests, happened_at)


def record(*views, purchased=(), now=NOW):
    return record_activity(views=views, purchased=list(purchased), now=now)


def decided(number, sku="A"):
    events = [DemandEvent(uuid.uuid4(), "web", sku, "london", 1, 1, NOW) for _ in range(number)]
    decide_prices(events=events, now=NOW, rng=np.random.default_rng(0))
    return list(PricingDecision.objects.order_by("pk"))


def purchase(decision, *, after=timedelta(minutes=5), purchased=True, now=NOW):
    record_outcomes(outcomes=[Outcome(decision.decision_id, purchased, NOW + after)], now=now)


def test_a_view_is_counted_with_its_requests_and_its_times():
    listing = make_listing("A")
    assert record(view()) == 1
    row = ActivityIncrement.objects.get()
    assert (row.listing_id, row.kind, row.views, row.requests, row.units) == (listing.pk, "view", 1, 3, 0)
    assert (row.happened_at, row.known_at) == (NOW - timedelta(minutes=1), NOW)


def test_a_purchase_is_one_unit_at_the_decided_price():
    listing = make_listing("A")
    (decision,) = decided(1)
    purchase(decision, now=NOW + timedelta(hours=1))
    assert record(purchased=[decision.decision_id], now=NOW + timedelta(hours=1)) == 1
    row = ActivityIncrement.objects.get()
    assert (row.listing_id, row.kind, row.views, row.units, row.revenue) == (listing.pk, "sale", 0, 1, decision.price)
    assert (row.happened_at, row.known_at) == (NOW + timedelta(minutes=5), NOW + timedelta(hours=1))


def test_an_event_is_counted_once_within_a_batch_and_across_batches():
    make_listing("A")
    make_listing("B")
    twice = uuid.uuid4()
    assert record(view(event_id=twice, requests=1), view("B", event_id=twice, requests=2), view()) == 2
    assert record(view("B", event_id=twice, requests=9), now=NOW + timedelta(hours=1)) == 0
    first = ActivityIncrement.objects.get(source_id=twice)
    assert (first.listing.product.sku, first.requests, first.known_at) == ("A", 1, NOW)


def test_a_sale_is_counted_once_and_never_mixed_up_with_a_view_of_the_same_id():
    make_listing("A")
    (decision,) = decided(1)
    purchase(decision)
    assert record(view(event_id=decision.decision_id), purchased=[decision.decision_id] * 2) == 2
    assert record(purchased=[decision.decision_id]) == 0
    assert sorted(ActivityIncrement.objects.values_list("views", "units")) == [(0, 1), (1, 0)]


def test_what_was_not_bought_is_no_sale():
    make_listing("A")
    rejected, waiting = decided(2)
    purchase(rejected, purchased=False)
    assert record(purchased=[rejected.decision_id, waiting.decision_id, uuid.uuid4()]) == 0


def test_what_claims_to_happen_in_the_future_happened_when_we_learned_of_it():
    make_listing("A")
    record(view(happened_at=NOW + timedelta(days=400)))
    assert ActivityIncrement.objects.get().happened_at == NOW


def test_skus_that_the_channel_does_not_sell_are_left_out():
    make_listing("A", is_active=False)
    make_listing("B", channel=make_channel("de", currency="EUR", country="DE"))
    assert record(view("A"), view("B"), view("NOPE"), view("B", channel="nowhere")) == 0
    assert record(view("B", channel="de")) == 1


def test_recording_begins_with_the_first_event_and_stays_there():
    make_listing("A")
    record(view())
    record(view(), now=NOW + timedelta(hours=1))
    record(view(), now=NOW - timedelta(hours=1))
    assert ActivityRecording.objects.get().began_at == NOW


def test_the_online_record_follows_the_commit(django_capture_on_commit_callbacks):
    make_listing("A")
    now = timezone.now()
    begin_recording(make_channel(), now - timedelta(days=1))
    with django_capture_on_commit_callbacks(execute=True):
        record(view(happened_at=now), view(happened_at=now - timedelta(hours=2)), now=now)
        assert np.isnan(stored_records(channel="web", skus=["A"])[0, 0])
    stored = stored_records(channel="web", skus=["A"])[0]
    assert [stored[PLACE[f"views_{window}"]] for window in ("1h", "6h")] == [1, 2]


def test_what_is_rolled_back_was_never_counted(django_capture_on_commit_callbacks):
    make_listing("A")
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        record(view())
        transaction.set_rollback(True)
    assert callbacks == [] and not ActivityIncrement.objects.exists() and not ActivityRecording.objects.exists()


def test_a_refresh_that_fails_takes_nothing_back(monkeypatch, django_capture_on_commit_callbacks, caplog):
    make_listing("A")

    def fail(**rest):
        raise OperationalError("gone")

    monkeypatch.setattr(service, "refresh_online_features", fail)
    with django_capture_on_commit_callbacks(execute=True):
        record(view())
    assert ActivityIncrement.objects.count() == 1
    assert "gone" in caplog.text


def test_the_number_of_queries_does_not_grow_with_the_batch(django_assert_num_queries):
    for number in range(20):
        make_listing(f"S{number}")
    with django_assert_num_queries(2):  # savepoint, rows, begin, release
        assert record(*(view(f"S{number % 20}") for number in range(300))) == 300


def test_an_empty_batch_is_no_work():
    assert record() == 0
