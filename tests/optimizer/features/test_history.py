import math
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import IntegrityError, InternalError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.features.definitions import ACTIVITY, COLUMNS, SNAPSHOTS
from optimizer.features.history import feature_records
from optimizer.features.rows import PLACE
from optimizer.models import ActivityIncrement, FeatureSnapshot
from tests.factories import make_channel, make_listing
from tests.optimizer.features.rows import NOW, add_increment, begin_recording, expected_activity

pytestmark = pytest.mark.django_db

# Marks of the windows and their neighbours, in seconds, beside any other second of the last month.
SECONDS = st.one_of(
    st.sampled_from([0, 1, 3_599, 3_600, 3_601, 86_400, 86_401, 604_800, 2_419_200, 2_419_201]),
    st.integers(0, 40 * 86_400),
)
INCREMENTS = st.lists(
    st.tuples(st.integers(0, 1), SECONDS, SECONDS, st.integers(0, 2**31 - 1), st.booleans()), max_size=12
)
SNAPSHOT_ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(SNAPSHOTS), SECONDS, SECONDS, st.floats(-1e9, 1e9)), max_size=12
)


@contextmanager
def rolled_back():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def known(listing, at):
    return feature_records(listing_ids=[listing.pk], moments=[at])[0]


def named(record):
    return {name: record[PLACE[name]] for name in ACTIVITY.names}


def add_rows(listings, increments, snapshots, *, after=None):
    """Store the rows, or only those learned after a moment, or (a negative choice) none; return the increments."""
    added = []
    for which, known_ago, lag, requests, sold in increments:
        known_at = NOW - timedelta(seconds=known_ago)
        counted = {"units": 1, "revenue": Decimal("9.9900")} if sold else {"views": 1, "requests": requests}
        if after is None or after(known_at):
            happened_at = known_at - timedelta(seconds=lag)
            added.append(add_increment(listings[which], happened_at=happened_at, known_at=known_at, **counted))
    for which, group, known_ago, lag, number in snapshots:
        known_at = NOW - timedelta(seconds=known_ago)
        if after is None or after(known_at):
            FeatureSnapshot.objects.create(
                listing=listings[which], feature_group=group.name, known_at=known_at,
                event_at=known_at - timedelta(seconds=lag), numbers=[number] * len(group.names),
            )  # fmt: skip
    return added


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(increments=INCREMENTS, snapshots=SNAPSHOT_ROWS, ago=SECONDS)
def test_what_becomes_known_later_never_changes_what_was_known(increments, snapshots, ago):
    at = NOW - timedelta(seconds=ago)
    with rolled_back():
        listings = [make_listing(), make_listing()]
        begin_recording(listings[0].channel)
        add_rows(listings, increments, snapshots, after=lambda known_at: known_at <= at)
        before = [known(listing, at) for listing in listings]
        # Late events among them: they happened before the moment, and we learn of them after it.
        add_rows(listings, increments, snapshots, after=lambda known_at: known_at > at)
        for listing, record in zip(listings, before, strict=True):
            np.testing.assert_array_equal(known(listing, at), record)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(increments=INCREMENTS, ago=SECONDS, began_ago=SECONDS)
def test_windows_are_what_adding_up_row_by_row_gives(increments, ago, began_ago):
    at, began_at = NOW - timedelta(seconds=ago), NOW - timedelta(seconds=began_ago)
    with rolled_back():
        listings = [make_listing(), make_listing()]
        begin_recording(listings[0].channel, began_at)
        rows = add_rows(listings, increments, [])
        for listing in listings:
            own = [row for row in rows if row.listing_id == listing.pk]
            expected = expected_activity(own, at, began_at)
            np.testing.assert_allclose(
                list(named(known(listing, at)).values()), list(expected.values()), rtol=1e-15, equal_nan=True
            )


def test_a_late_event_counts_from_when_it_arrived():
    listing = make_listing()
    begin_recording(listing.channel)
    add_increment(listing, happened_at=NOW - timedelta(minutes=50), known_at=NOW - timedelta(minutes=10), views=1)
    views = [known(listing, NOW - timedelta(minutes=ago))[PLACE["views_1h"]] for ago in (11, 10, 0)]
    assert views == [0, 1, 1]
    assert known(listing, NOW + timedelta(minutes=10))[PLACE["views_1h"]] == 0  # it left the window


def test_of_snapshots_the_last_one_learned_counts_also_where_it_corrects_an_older_time():
    listing = make_listing()
    for known_ago, event_ago, number in ((3, 4, 10.0), (2, 6, 20.0), (-1, 0, 30.0)):
        FeatureSnapshot.objects.create(
            listing=listing, feature_group="stock", numbers=[number, 0.0],
            event_at=NOW - timedelta(hours=event_ago), known_at=NOW - timedelta(hours=known_ago),
        )  # fmt: skip
    record = known(listing, NOW)
    assert record[PLACE["inventory"]] == 20.0
    assert record[PLACE["stock_at"]] == (NOW - timedelta(hours=6)).timestamp()


def test_without_records_everything_is_unknown_and_nothing_is_zero():
    record = known(make_listing(), NOW)
    assert record[PLACE["at"]] == NOW.timestamp()
    assert np.isnan(record[1:]).all()


def test_a_window_that_begins_before_recording_did_is_unknown():
    listing = make_listing()
    begin_recording(listing.channel, NOW - timedelta(hours=6))
    add_increment(listing, happened_at=NOW - timedelta(minutes=5), views=1)
    record = known(listing, NOW)
    assert (record[PLACE["views_1h"]], record[PLACE["views_6h"]], record[PLACE["units_6h"]]) == (1, 1, 0)
    assert math.isnan(record[PLACE["views_24h"]])


def test_another_channel_records_for_itself():
    elsewhere = make_listing(channel=make_channel("de", currency="EUR", country="DE"))
    begin_recording(make_channel())
    assert math.isnan(known(elsewhere, NOW)[PLACE["views_1h"]])


def test_rows_written_before_a_group_grew_leave_its_new_features_unknown():
    listing = make_listing()
    FeatureSnapshot.objects.create(listing=listing, feature_group="stock", known_at=NOW, numbers=[7.0])
    record = known(listing, NOW)
    assert record[PLACE["inventory"]] == 7.0 and math.isnan(record[PLACE["inventory_assumed"]])


def test_many_moments_are_read_in_parts_in_the_order_asked(monkeypatch):
    monkeypatch.setattr("optimizer.features.history.MOMENTS_PER_QUERY", 3)
    listings = [make_listing() for _ in range(4)]
    begin_recording(listings[0].channel)
    for number, listing in enumerate(listings):
        add_increment(listing, happened_at=NOW, views=number)
    order = [listings[index].pk for index in (3, 0, 2, 1, 3, 3, 0)]
    records = feature_records(listing_ids=order, moments=[NOW] * 7)
    assert records.shape == (7, len(COLUMNS))
    assert records[:, PLACE["views_1h"]].tolist() == [3, 0, 2, 1, 3, 3, 0]


def test_an_event_is_stored_once_and_history_cannot_be_changed():
    listing = make_listing()
    row = add_increment(listing, happened_at=NOW, views=1)
    with pytest.raises(IntegrityError, match="increment_once"), transaction.atomic():
        ActivityIncrement.objects.create(
            kind=row.kind, source_id=row.source_id, listing=listing, happened_at=NOW, known_at=NOW
        )
    with pytest.raises((IntegrityError, InternalError), match="append-only"), transaction.atomic():
        ActivityIncrement.objects.filter(pk=row.pk).update(views=2)


def test_an_increment_cannot_be_known_before_it_happened():
    with pytest.raises(IntegrityError, match="increment_known_after"):
        add_increment(make_listing(), happened_at=NOW, known_at=NOW - timedelta(seconds=1), views=1)
