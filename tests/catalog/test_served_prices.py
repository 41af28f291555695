import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from catalog import price_cache
from catalog.cached_values import CachedValue, Kind, decoded, price_name
from catalog.gateway import served_prices
from catalog.models import Listing, Product
from catalog.selectors.prior_price import lowest_recent_prices
from catalog.services.products import store_product
from catalog.services.served_records import serve_anew, warm_cold_cache, warm_served_records
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def redis_away(settings):
    """Point the cache at a port where nothing listens."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    price_cache.redis_connection.cache_clear()
    yield
    price_cache.redis_connection.cache_clear()


def held(sku):
    """What Redis holds about a SKU of the web channel in the namespace that is read at present."""
    text = price_cache.held_value(price_name("web", sku), epoch=price_cache.epoch())
    return None if text is None else decoded(text)


def test_a_sku_without_a_published_price_gets_its_list_price_named_as_such():
    listing = make_listing(list_price=Decimal("4.25"))
    record = served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]
    assert (record["price"], record["source"], record["version"]) == ("4.25", "list_price", 0)


def test_unknown_and_inactive_skus_are_absent():
    listing = make_listing(is_active=False)
    assert served_prices(channel="web", skus=[listing.product.sku, "NOPE"]) == {}


@pytest.mark.django_db(transaction=True)
def test_a_price_is_pending_before_the_commit_and_stored_after_it():
    listing = make_listing()
    with transaction.atomic():
        publish(listing, "10.50")
        assert held(listing.product.sku).kind is Kind.PENDING
    value = held(listing.product.sku)
    assert (value.kind, json.loads(value.content)["price"]) == (Kind.RECORD, "10.50")
    assert price_cache.epoch() == 0


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_commit_makes_everybody_forget(redis_away):
    listing = make_listing()
    with transaction.atomic():
        publish(listing, "10.50")
    assert price_cache.epoch() == 1
    assert served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]["price"] == "10.50"


@pytest.mark.django_db(transaction=True)
def test_redis_lost_between_the_commit_and_the_record_makes_everybody_forget(settings):
    listing = make_listing()
    try:
        with transaction.atomic():
            publish(listing, "10.50")
            settings.REDIS_URL = "redis://127.0.0.1:1/0"
            price_cache.redis_connection.cache_clear()
        assert price_cache.epoch() == 1
    finally:
        price_cache.redis_connection.cache_clear()


def stored(revision, kind=Kind.RECORD, settled=None, **fields):
    """Try to store a value in the place of what is held, and return what is held afterwards."""
    _, store = price_cache.redis_connection()
    name = price_name("web", "RACE")
    value = CachedValue(revision, kind, **fields)
    store(args=price_cache.store_arguments([(name, value)], epoch=0, settled=settled and {name: settled.encoded()}))
    return held("RACE")


def test_an_older_value_never_replaces_a_newer_one():
    newer = stored(7, content=b"{}")
    assert newer.revision == 7
    assert stored(6, content=b"{}") == newer
    assert stored(0, Kind.ABSENT) == newer
    assert stored(7, content=b"[]").content == b"[]"


def test_what_is_pending_yields_to_its_own_record_and_to_a_transaction_that_ended_otherwise():
    pending = stored(7, Kind.PENDING, xid=123)
    assert stored(6, content=b"{}") == pending
    assert stored(6, content=b"{}", settled=CachedValue(7, Kind.PENDING, xid=122)) == pending
    assert stored(6, content=b"{}", settled=pending).revision == 6
    stored(8, Kind.PENDING, xid=124)
    assert stored(8, content=b"{}").kind is Kind.RECORD


@pytest.mark.parametrize(
    "value",
    [
        CachedValue(3, Kind.RECORD, content=b'{"sku": "A B"}', refresh_at=99),
        CachedValue(0, Kind.ABSENT),
        CachedValue(2**53, Kind.PENDING, xid=2**40),
    ],
)
def test_a_cached_value_survives_its_text(value):
    assert decoded(value.encoded()) == value


@pytest.mark.parametrize("text", [b"", b"x", b"1", b"1 x", b"1 r", b"1 r x {}", b"1 p x", b"\xff a"])
def test_a_text_of_others_is_refused(text):
    with pytest.raises((ValueError, IndexError)):
        decoded(text)


def test_warming_writes_every_active_listing(monkeypatch):
    monkeypatch.setattr("catalog.services.served_records.WARM_BATCH", 2)
    skus = [make_listing().product.sku for _ in range(5)]
    make_listing(is_active=False)
    assert warm_served_records(channel="web") == 5
    assert all(held(sku).kind is Kind.RECORD for sku in skus)


def test_a_cold_cache_is_warmed_once_and_older_namespaces_are_dropped():
    sku = make_listing().product.sku
    assert warm_cold_cache() == 1
    assert warm_cold_cache() == 0
    redis, _ = price_cache.redis_connection()
    before = set(redis.keys())
    price_cache.raise_epoch()
    redis.set("somebody-else:p:web:A", "kept")
    assert warm_cold_cache() == 1
    assert held(sku).kind is Kind.RECORD
    assert not before & set(redis.keys()) and redis.get("somebody-else:p:web:A")


def test_a_stable_price_has_a_prior_price():
    listing = make_listing()
    publish(listing, "10.00", now=timezone.now() - timedelta(days=90))
    lowest = lowest_recent_prices(listing_ids=[listing.pk], until=timezone.now())
    assert lowest == {listing.pk: Decimal("10.00")}


def test_a_running_reduction_keeps_the_prior_price_of_its_beginning():
    listing = make_listing()
    publish(listing, "10.00", now=timezone.now() - timedelta(days=90))
    publish(listing, "9.00", now=timezone.now() - timedelta(days=45))
    assert served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]["prior_price"] == "10.00"


def test_after_an_increase_the_prior_price_forgets_what_is_older_than_thirty_days():
    listing = make_listing()
    publish(listing, "9.00", now=timezone.now() - timedelta(days=90))
    publish(listing, "10.00", now=timezone.now() - timedelta(days=45))
    assert served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]["prior_price"] == "10.00"


def test_the_listing_keeps_its_price_and_version_together():
    listing = make_listing()
    row = {"product": Product.objects.create(sku="UNPRICED"), "channel": listing.channel, "list_price": Decimal("9.00")}
    with pytest.raises(Exception, match="listing_price_has_version"):
        Listing.objects.create(price_version=1, **row)


def test_a_product_that_is_sold_no_longer_is_forgotten():
    listing = make_listing()
    sku = listing.product.sku
    served_prices(channel="web", skus=[sku])
    Product.objects.filter(sku=sku).update(is_active=False)
    assert served_prices(channel="web", skus=[sku]) == {}


@pytest.mark.django_db(transaction=True)
def test_a_product_that_is_sold_no_longer_is_absent_with_a_newer_revision():
    listing = make_listing()
    with transaction.atomic():
        serve_anew(channel="web", listing_ids=[listing.pk])
    before = held(listing.product.sku)
    listing.product.is_active = False
    store_product(product=listing.product, changed=["is_active"])
    after = held(listing.product.sku)
    assert after.kind is Kind.ABSENT and after.revision > before.revision
