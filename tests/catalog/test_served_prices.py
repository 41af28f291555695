from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog import price_cache
from catalog.gateway import served_prices
from catalog.models import Listing, Product
from catalog.selectors.prior_price import lowest_recent_prices
from catalog.services.served_records import refresh_served_records, warm_served_records
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def redis_away(settings):
    """Point the cache at a port where nothing listens."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    price_cache._connection.cache_clear()
    yield
    price_cache._connection.cache_clear()


def test_a_sku_without_a_published_price_gets_its_list_price_named_as_such():
    listing = make_listing(list_price=Decimal("4.25"))
    record = served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]
    assert (record["price"], record["source"], record["version"]) == ("4.25", "list_price", 0)


def test_unknown_and_inactive_skus_are_absent():
    listing = make_listing(is_active=False)
    assert served_prices(channel="web", skus=[listing.product.sku, "NOPE"]) == {}


def test_the_second_read_comes_from_redis(django_assert_num_queries):
    sku = make_listing().product.sku
    first = served_prices(channel="web", skus=[sku])
    with django_assert_num_queries(0):
        assert served_prices(channel="web", skus=[sku]) == first


def test_without_redis_the_database_answers(redis_away):
    listing = make_listing()
    publish(listing, "10.50")
    assert served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]["price"] == "10.50"


def test_an_older_record_never_replaces_a_newer_one():
    newer, older = {"version": 7, "price": "2.00"}, {"version": 6, "price": "1.00"}
    assert price_cache.store_records("web", {"RACE": newer})
    assert price_cache.store_records("web", {"RACE": older})
    assert price_cache.cached_records("web", ["RACE"]) == {"RACE": newer}


def test_warming_writes_every_active_listing(monkeypatch):
    monkeypatch.setattr("catalog.services.served_records.WARM_BATCH", 2)
    skus = [make_listing().product.sku for _ in range(5)]
    make_listing(is_active=False)
    assert warm_served_records(channel="web") == 5
    assert set(price_cache.cached_records("web", skus)) == set(skus)


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
    with pytest.raises(Exception, match="listing_price_has_version"):
        Listing.objects.filter(pk=listing.pk).update(price=Decimal("9.00"))


def test_a_product_that_is_sold_no_longer_is_forgotten():
    listing = make_listing()
    sku = listing.product.sku
    served_prices(channel="web", skus=[sku])
    Product.objects.filter(sku=sku).update(is_active=False)
    refresh_served_records(channel="web", listing_ids=[listing.pk])
    assert served_prices(channel="web", skus=[sku]) == {}
