import math
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from catalog.models import Listing
from optimizer.features.definitions import GROUPS, NAMES
from optimizer.selectors.training import training_frame
from optimizer.services.refresh_features import refresh_features
from tests.factories import make_channel, make_listing
from tests.optimizer.features.rows import NOW, add_increment, begin_recording

pytestmark = pytest.mark.django_db


def frame_of(listing_ids, moments, **rest):
    return training_frame(listing_ids=listing_ids, moments=moments, now=NOW, **rest)


def test_each_row_holds_what_was_known_at_its_moment():
    listing = make_listing(inventory=10)
    begin_recording(listing.channel)
    yesterday = NOW - timedelta(days=1)
    refresh_features(channel=listing.channel, clock=lambda: yesterday)
    Listing.objects.update(inventory=4)
    refresh_features(channel=listing.channel, clock=lambda: NOW)
    add_increment(listing, happened_at=yesterday, known_at=NOW, units=1, revenue="10.00")
    moments = [NOW, yesterday, yesterday - timedelta(seconds=1)]
    frame = frame_of([listing.pk] * 3, moments)
    assert frame.columns == ["listing_id", "at", *NAMES, *(f"{group.name}_at" for group in GROUPS)]
    assert frame["at"].to_list() == moments
    np.testing.assert_array_equal(frame["inventory"].to_numpy(), [4, 10, math.nan])
    assert frame["units_7d"].to_list() == [1, 0, 0]
    assert frame["stock_at"].to_list()[2] is None
    assert frame.select(NAMES).dtypes == [pl.Float64] * len(NAMES)


def test_the_same_call_returns_the_same_frame_after_more_was_learned():
    listing = make_listing()
    begin_recording(listing.channel)
    refresh_features(channel=listing.channel, clock=lambda: NOW - timedelta(hours=2))
    moments = [NOW - timedelta(hours=1), NOW - timedelta(minutes=1)]
    before = frame_of([listing.pk] * 2, moments)
    Listing.objects.update(inventory=1, unit_cost=1)
    refresh_features(channel=listing.channel, clock=lambda: NOW)
    add_increment(listing, happened_at=NOW - timedelta(hours=1), known_at=NOW, views=1)
    assert frame_of([listing.pk] * 2, moments).equals(before, null_equal=True)
    assert not frame_of([listing.pk], [NOW]).select(NAMES).equals(before[:1].select(NAMES))


def test_chosen_features_only():
    frame = frame_of([make_listing().pk], [NOW], features=["price", "views_7d"])
    assert frame.columns[:4] == ["listing_id", "at", "price", "views_7d"]


def test_no_moments_are_an_empty_frame():
    assert frame_of([], []).height == 0


@pytest.mark.parametrize(
    ("moments", "says"),
    [
        ([], "1 listings, 0 moments"),
        ([datetime(2026, 11, 1)], "time zone"),
        ([NOW + timedelta(seconds=1)], "lies in the future"),
    ],
)
def test_moments_that_cannot_be_answered_are_refused(moments, says):
    with pytest.raises(ValueError, match=says):
        frame_of([make_listing().pk], moments)


def test_unknown_listings_and_features_are_refused_by_name():
    make_channel()
    with pytest.raises(ValueError, match="no such listing: 987654321"):
        frame_of([987654321], [NOW])
    with pytest.raises(ValueError, match="no such feature: prise"):
        frame_of([make_listing().pk], [NOW], features=["prise"])
