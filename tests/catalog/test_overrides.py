from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils import timezone

from catalog import gateway
from catalog.models import Listing, PriceChange, PriceOverride
from catalog.models.listing import PriceSource
from catalog.override_requests import OverrideRefused, OverrideRequest, read_request
from catalog.services import apply_overrides
from catalog.services.apply_overrides import apply_due_overrides
from catalog.services.overrides import AlreadyOver, cancel_override, schedule_override
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
NINE, TEN, ELEVEN = (NOW + timedelta(hours=hours) for hours in (1, 2, 3))


def schedule(listing, price="8.00", *, now=NOW, author=None, **fields):
    request = OverrideRequest(
        sku=listing.product.sku, price=Decimal(price), **{"reason": "Trade fair", "starts_at": NINE} | fields
    )
    return schedule_override(channel=listing.channel, request=request, now=now, author=author)


def refused(listing, *arguments, **fields):
    """Return the fields with which a request is refused; assert that nothing was written."""
    before = PriceOverride.objects.count()
    with pytest.raises(OverrideRefused) as error:
        schedule(listing, *arguments, **fields)
    assert PriceOverride.objects.count() == before
    return {each.field: each.message for each in error.value.errors}


def in_force(listing):
    listing.refresh_from_db()
    return str(listing.price_in_force)[:-2], listing.price_source


def prices(listing):
    changes = PriceChange.objects.filter(listing=listing).order_by("version")
    return [(str(change.price)[:-2], change.source) for change in changes]


def test_an_override_starts_and_reverts_to_the_price_that_it_replaced():
    listing, author = make_listing(), User.objects.create(username="ann")
    publish(listing, "9.50", now=NOW - timedelta(days=1))
    override = schedule(listing, ends_at=TEN, author=author)
    assert (override.status, in_force(listing)) == ("scheduled", ("9.50", "optimizer"))
    assert not apply_due_overrides(now=NINE - timedelta(seconds=1))
    assert apply_due_overrides(now=NINE).started == 1
    assert in_force(listing) == ("8.00", "override")
    change = PriceChange.objects.get(version=listing.price_version)
    assert (change.author, change.reason, change.valid_from) == (author, "Trade fair", NINE)
    assert publish(listing, "9.00").refused == {listing.pk: "overridden"}
    assert apply_due_overrides(now=TEN).ended == 1
    assert in_force(listing) == ("9.50", "rollback")
    assert prices(listing) == [("9.50", "optimizer"), ("8.00", "override"), ("9.50", "rollback")]
    assert publish(listing, "9.60").published
    override.refresh_from_db()
    assert (override.status, override.ended_at) == ("ended", TEN)
    assert override.outcome == "the override ended: back to the price before"


@pytest.mark.parametrize(
    ("day", "starts", "ends", "hours"), [("2027-03-28", "00:30", "03:00", 1.5), ("2027-10-31", "00:30", "03:00", 3.5)]
)
def test_the_night_on_which_clocks_change_is_as_long_as_it_is(day, starts, ends, hours):
    listing = make_listing()
    texts = {"sku": listing.product.sku, "price": "8", "reason": "Night sale", "time_zone": "Europe/London"}
    times = {"starts_at": f"{day} {starts}", "ends_at": f"{day} {ends}"}
    request = read_request(texts | times, channel=listing.channel)
    pk = schedule_override(channel=listing.channel, request=request, now=NOW).pk
    override = PriceOverride.objects.get(pk=pk)
    assert override.ends_at - override.starts_at == timedelta(hours=hours)
    assert override.starts_at.isoformat() == {1.5: "2027-03-28T00:30:00+00:00", 3.5: "2027-10-30T23:30:00+00:00"}[hours]
    second = timedelta(seconds=1)
    applied = [
        (done.started, done.ended)
        for at in (override.starts_at, override.ends_at)
        for done in (apply_due_overrides(now=at - second), apply_due_overrides(now=at))
    ]
    assert applied == [(0, 0), (1, 0), (0, 0), (0, 1)]


def test_applying_again_changes_nothing():
    listing = make_listing()
    schedule(listing, ends_at=TEN)
    assert apply_due_overrides(now=NINE) and not apply_due_overrides(now=NINE)
    assert apply_due_overrides(now=TEN) and not apply_due_overrides(now=TEN)
    assert len(prices(listing)) == 2


def test_one_without_a_start_is_in_force_at_once_and_served():
    listing = make_listing(sku="85123A")
    override = schedule(listing, starts_at=None)
    assert override.status == "active" and in_force(listing) == ("8.00", "override")
    assert gateway.served_prices(channel="web", skus=["85123A"])["85123A"]["price"] == "8.00"
    assert not apply_due_overrides(now=NOW + timedelta(days=365)), "it has no end"


def test_the_list_price_of_the_end_is_what_an_unpublished_listing_goes_back_to():
    listing = make_listing()
    schedule(listing, ends_at=TEN)
    apply_due_overrides(now=NINE)
    Listing.objects.filter(pk=listing.pk).update(list_price=Decimal("11.00"))
    apply_due_overrides(now=TEN)
    assert in_force(listing) == ("11.00", "list_price")


def test_a_price_before_that_the_cost_no_longer_allows_gives_way_to_the_list_price():
    listing = make_listing(list_price=Decimal("10.00"))
    publish(listing, "8.00", now=NOW)
    override = schedule(listing, "12.00", ends_at=TEN)
    apply_due_overrides(now=NINE)
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("9.00"))
    apply_due_overrides(now=TEN)
    assert in_force(listing) == ("10.00", "list_price")
    override.refresh_from_db()
    assert override.outcome == (
        "the override ended: back to the list price "
        "(not to the one before: the price would break a rule: the unit cost)"
    )


def test_where_the_list_price_loses_money_too_the_lowest_admissible_price_comes():
    listing = make_listing()
    schedule(listing, "14.00", ends_at=TEN)
    apply_due_overrides(now=NINE)
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("11.00"))
    apply_due_overrides(now=TEN)
    assert in_force(listing) == ("12.95", "rollback")  # 11.00 / 0.85, rounded up to a penny
    assert "the lowest price that the guardrails admit" in PriceChange.objects.latest("version").reason


def test_a_price_that_somebody_published_meanwhile_stays():
    listing = make_listing()
    override = schedule(listing, ends_at=TEN)
    apply_due_overrides(now=NINE)
    publish(listing, "9.00", source=PriceSource.LIST_PRICE, now=NINE)
    assert apply_due_overrides(now=TEN).ended == 1
    assert in_force(listing) == ("9.00", "list_price")
    override.refresh_from_db()
    assert override.outcome == "another price came into force meanwhile: it stays"


def test_an_override_at_the_price_in_force_holds_it_and_lets_it_go():
    listing = make_listing()
    publish(listing, "9.50", now=NOW)
    schedule(listing, "9.50", ends_at=TEN)
    apply_due_overrides(now=NINE)
    listing.refresh_from_db()
    assert publish(listing, "9.60").refused == {listing.pk: "overridden"}
    apply_due_overrides(now=TEN)
    assert in_force(listing) == ("9.50", "rollback") and publish(listing, "9.60").published


def test_a_cost_that_rose_refuses_the_start_by_name():
    listing = make_listing()
    override = schedule(listing)
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("8.50"))
    assert apply_due_overrides(now=NINE).refused == 1
    override.refresh_from_db()
    assert (override.status, override.refused_because) == ("refused", "loss_floor")
    assert in_force(listing) == ("10.00", "") and not PriceChange.objects.exists()
    schedule(listing, "9.00")  # a refused one leaves its time free


def test_one_override_follows_another_without_a_gap_and_reverts_to_the_price_before_both():
    listing = make_listing()
    schedule(listing, "8.00", ends_at=TEN)
    schedule(listing, "7.50", starts_at=TEN, ends_at=ELEVEN)
    for now in (NINE, TEN, ELEVEN):
        apply_due_overrides(now=now)
    assert prices(listing) == [
        ("8.00", "override"), ("10.00", "list_price"), ("7.50", "override"), ("10.00", "list_price"),
    ]  # fmt: skip


def test_what_was_missed_altogether_never_starts_and_what_is_late_starts_late():
    first, second = make_listing(), make_listing()
    missed, late = schedule(first, ends_at=TEN), schedule(second)
    apply_due_overrides(now=ELEVEN)
    missed.refresh_from_db(), late.refresh_from_db()
    assert (missed.status, missed.refused_because, late.status) == ("refused", "missed", "active")
    assert not prices(first) and PriceChange.objects.get(listing=second).valid_from == ELEVEN


def test_a_promotion_is_below_the_price_that_it_replaces():
    listing = make_listing()
    assert "Not below 10.00 GBP, which it replaces" in refused(listing, "10.00", kind="promotion")["price"]
    override = schedule(listing, "9.00", kind="promotion", ends_at=TEN)
    publish(listing, "9.00", now=NOW)
    apply_due_overrides(now=NINE)
    override.refresh_from_db()
    assert override.refused_because == "not_a_reduction"
    schedule(listing, "8.00", kind="promotion")
    apply_due_overrides(now=NINE)
    assert in_force(listing) == ("8.00", "promotion")
    assert publish(listing, "8.50").refused == {listing.pk: "overridden"}


def test_overlaps_are_refused_and_neighbours_are_not():
    listing, other = make_listing(), make_listing()
    first = schedule(listing, starts_at=NINE, ends_at=TEN)
    message = refused(listing, starts_at=NINE + timedelta(minutes=59))["starts_at"]
    assert message.startswith(f"Overlaps override {first.pk} (2026-06-01 09:00 to 2026-06-01 10:00, UTC)")
    schedule(listing, starts_at=TEN)
    assert "with an open end" in refused(listing, starts_at=ELEVEN)["starts_at"]
    schedule(other)


def test_the_database_itself_refuses_an_overlap():
    override = schedule(make_listing(), ends_at=ELEVEN)
    override.pk, override.period = None, DateTimeTZRange(TEN, None)
    with pytest.raises(IntegrityError, match="override_no_overlap"), transaction.atomic():
        override.save(force_insert=True)
    override.pk, override.status = None, "cancelled"
    override.save(force_insert=True)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"starts_at": NOW - timedelta(minutes=1)}, "starts_at", "In the past"),
        ({"ends_at": NINE}, "ends_at", "Not after the start"),
        ({"starts_at": None, "ends_at": NOW}, "ends_at", "In the past"),
        ({"price": "5.99"}, "price", "Below the unit cost"),
    ],
)
def test_bad_requests_name_the_field(fields, field, words):
    assert words in refused(make_listing(), **fields)[field]


def test_an_unknown_sku_and_an_inactive_product_are_named():
    request = OverrideRequest(sku="NONE", price=Decimal(8), reason="x")
    with pytest.raises(OverrideRefused, match="sku: No SKU 'NONE' in channel 'web': check both"):
        schedule_override(channel=make_channel(), request=request, now=NOW)
    assert "not active" in refused(make_listing(is_active=False))["sku"]


def test_texts_are_read_and_every_bad_field_is_named():
    channel = make_channel()
    texts = {"sku": "A", "price": "8.5", "starts_at": "2026-10-25 00:30", "time_zone": "Europe/London", "reason": "x"}
    request = read_request(texts, channel=channel)
    assert (request.price, request.starts_at) == (Decimal("8.5"), datetime(2026, 10, 24, 23, 30, tzinfo=UTC))
    bad = {"price": "8.555", "starts_at": "2026-10-25 00:30", "kind": "sale", "ends_at": "soon"}
    with pytest.raises(OverrideRefused) as error:
        read_request(bad, channel=channel)
    assert {each.field for each in error.value.errors} == {"price", "kind", "starts_at", "ends_at", "sku", "reason"}
    assert "2 decimals" in str(error.value) and "says no time zone" in str(error.value)


def test_cancelling_before_the_start_and_while_in_force():
    listing = make_listing()
    coming = schedule(listing)
    assert cancel_override(override_id=coming.pk, now=NOW, who="ann").status == "cancelled"
    assert not apply_due_overrides(now=NINE)
    running = schedule(listing, starts_at=None)
    done = cancel_override(override_id=running.pk, now=NINE, who="ann")
    assert in_force(listing) == ("10.00", "list_price")
    assert (done.status, done.ended_at) == ("cancelled", NINE)
    assert done.outcome == "cancelled by ann; the override ended: back to the list price"
    again = cancel_override(override_id=running.pk, now=TEN, who="bob")
    assert (again.ended_at, again.outcome) == (NINE, done.outcome)


def test_what_is_over_cannot_be_cancelled():
    override = schedule(make_listing(), ends_at=TEN)
    apply_due_overrides(now=NINE)
    apply_due_overrides(now=TEN)
    with pytest.raises(AlreadyOver, match="It is ended"):
        cancel_override(override_id=override.pk, now=ELEVEN, who="ann")


def test_a_product_that_is_not_sold_ends_its_override_when_it_is_sold_again():
    listing = make_listing()
    schedule(listing, ends_at=TEN)
    apply_due_overrides(now=NINE)
    type(listing.product).objects.update(is_active=False)
    assert not apply_due_overrides(now=TEN)
    type(listing.product).objects.update(is_active=True)
    assert apply_due_overrides(now=ELEVEN).ended == 1


def test_one_bad_listing_holds_up_no_other(monkeypatch):
    listings = [make_listing() for _ in range(4)]
    for listing in listings:
        schedule(listing)
    publish_prices = apply_overrides.publish_prices

    def fail_for_one(*, proposals, **arguments):
        if any(proposal.listing_id == listings[1].pk for proposal in proposals):
            raise ZeroDivisionError
        return publish_prices(proposals=proposals, **arguments)

    monkeypatch.setattr(apply_overrides, "publish_prices", fail_for_one)
    applied = apply_due_overrides(now=NINE)
    assert (applied.started, applied.failed) == (3, 1)
    monkeypatch.undo()
    assert apply_due_overrides(now=timezone.now()).started == 1
