"""The ledger is one table to everybody and sixteen to Postgres."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.gate import Proposal, publish_prices
from catalog.models import Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.selectors.prior_price import LOWEST_PRICES_SQL
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


def rows_of(statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def listings():
    listings = [make_listing() for _ in range(60)]
    publish_prices(
        channel=make_channel(),
        proposals=[Proposal(listing.pk, Decimal("10.50"), "night", 0) for listing in listings],
        source=PriceSource.OPTIMIZER,
        now=timezone.now(),
    )
    return listings


def test_listings_are_spread_over_all_partitions_and_each_lies_in_one(listings):
    for listing in listings:
        listing.refresh_from_db()
        publish(listing, "10.80")
    places = rows_of("SELECT DISTINCT tableoid::regclass::text || listing_id FROM catalog_pricechange")
    assert len(places) == 60 and PriceChange.objects.count() == 120
    assert len(rows_of("SELECT DISTINCT tableoid::regclass::text FROM catalog_pricechange")) > 10


def test_the_gate_moves_listings_whatever_partition_their_rows_are_in(listings):
    assert set(Listing.objects.values_list("price", "price_version")) == {(Decimal("10.5000"), 1)}


def test_one_listings_history_is_read_from_one_partition(listings):
    for query in (
        "SELECT price FROM catalog_pricechange WHERE listing_id = %s AND valid_from <= now()"
        " ORDER BY valid_from DESC, version DESC LIMIT 1",
        "SELECT row_hash FROM catalog_pricechange WHERE listing_id = %s ORDER BY version DESC LIMIT 1",
        "SELECT id FROM catalog_pricechange WHERE listing_id = %s AND idempotency_key = 'night'",
    ):
        plan = rows_of("EXPLAIN (COSTS OFF) " + query, listings[0].pk)
        assert len({line.split(" on ")[1].split()[0] for line in plan if " on catalog_pricechange_p" in line}) == 1, (
            plan
        )


def test_a_batch_opens_only_the_partitions_of_its_listings(listings):
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + LOWEST_PRICES_SQL,
            {"listings": [listings[0].pk], "opens": timezone.now(), "until": timezone.now()},
        )
        plan = [row[0] for row in cursor.fetchall()]
    scans = [line for line in plan if " on catalog_pricechange_p" in line]
    assert len(scans) == 32 and sum("never executed" not in line for line in scans) == 2


def test_the_newest_rows_come_first_without_sorting_the_ledger(listings):
    with connection.cursor() as cursor:
        # So few rows would be sorted by any plan; without an index there would be a Sort all the same.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    plan = rows_of("EXPLAIN (COSTS OFF) SELECT id FROM catalog_pricechange ORDER BY id DESC LIMIT 50")
    assert any("Merge Append" in line for line in plan) and not any(line.strip(" ->") == "Sort" for line in plan)
    ids = list(PriceChange.objects.order_by("-id").values_list("id", flat=True)[:50])
    assert ids == sorted(ids, reverse=True)


def test_keys_are_given_out_by_one_sequence(listings):
    keys = PriceChange.objects.values_list("id", flat=True)
    assert len(set(keys)) == 60
    assert rows_of("SELECT pg_get_serial_sequence('catalog_pricechange', 'id')") == [
        "public.catalog_pricechange_id_seq"
    ]


def test_a_version_and_a_decision_stay_once(listings):
    rows = rows_of("SELECT conname FROM pg_constraint WHERE conrelid = 'catalog_pricechange'::regclass")
    assert {"ledger_version_once", "ledger_decision_once", "ledger_price_not_below_floor"} <= set(rows)
    with pytest.raises(IntegrityError, match="idempotency_key"):
        PriceChange.objects.create(
            listing=listings[0], version=2, price=9, prior_price=9, valid_from=timezone.now(), source="override",
            idempotency_key="night",
        )  # fmt: skip


@pytest.mark.parametrize("statement", ["UPDATE {} SET price = 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_partition_is_as_closed_as_the_whole(listings, statement):
    (partition,) = rows_of("SELECT tableoid::regclass::text FROM catalog_pricechange LIMIT 1")
    connection.check_constraints()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL pricing.ledger_may_be_emptied = 'off'")
        with pytest.raises(IntegrityError, match="append-only"):
            cursor.execute(statement.format(partition))
        transaction.set_rollback(True)


def test_triggers_look_into_the_ledger_by_index_whatever_it_held_when_they_were_planned():
    """A connection that planned them over an empty ledger would read whole partitions for every later price."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname FROM pg_proc WHERE 'enable_seqscan=off' = ANY(proconfig)")
        assert {name for (name,) in cursor.fetchall()} == {"catalog_ledger_chain", "catalog_price_is_in_the_ledger"}
