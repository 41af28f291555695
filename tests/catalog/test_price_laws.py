"""Prices as the law sees them in what is served: the rule of the channel's country, read from the ledger."""

import json
import random
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog import price_cache
from catalog.cached_values import price_name
from catalog.gateway import served_prices
from catalog.gateway.prices import PriceItem
from catalog.models import PriceChange, PriceLawRule
from catalog.models.listing import PriceSource
from catalog.price_law import CountryRule, judge_price
from catalog.selectors.price_as_of import price_as_of
from catalog.selectors.price_laws import applied_prices, price_laws
from catalog.selectors.served import served_values
from catalog.services.arms import Arm, end_arms, serve_arms
from catalog.services.price_laws import remove_price_law, store_channel, store_price_law
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db

EU_MEMBERS = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
]  # fmt: skip


def german(**fields):
    return make_listing("85123A", channel=make_channel("de", currency="EUR", country="DE"), **fields)


def served(channel="de"):
    return served_prices(channel=channel, skus=["85123A"])["85123A"]


def days_ago(days):
    return timezone.now() - timedelta(days=days)


def test_all_members_have_a_rule_of_thirty_days_and_great_britain_has_none():
    rules = {rule.country: rule for rule in PriceLawRule.objects.all()}
    assert set(rules) == {*EU_MEMBERS, "IS", "LI", "NO"}
    assert {rule.window_days for rule in rules.values()} == {30}
    for rule in rules.values():
        rule.full_clean()
        assert isinstance(rule.as_rule().zone, ZoneInfo)
    assert not price_laws(["GB"])["GB"].is_law
    stepwise = {country for country, rule in rules.items() if rule.progressive_reductions_allowed}
    assert stepwise == {"AT", "CZ", "DE", "FR", "IE", "IT", "NO"}
    assert all(";" in rules[country].source for country in stepwise)


def test_a_reduction_is_served_with_what_may_be_said_of_it():
    listing = german()
    publish(listing, "10.00", now=days_ago(60), source=PriceSource.OVERRIDE)
    publish(listing, "8.77", now=days_ago(3), source=PriceSource.OVERRIDE)
    answer = served()
    assert (answer["prior_price"], answer["reduction_may_be_announced"], answer["reduction_percent"]) == (
        "10.00", True, 12,
    )  # fmt: skip
    window = answer["prior_price_window"]
    assert window["end"] == listing.price_since.strftime("%Y-%m-%dT%H:%M:%SZ") and window["start"] < window["end"]


def test_80_then_100_then_90_may_not_be_announced():
    listing = german()
    for days, price in [(60, "8.00"), (20, "10.00"), (10, "9.00")]:
        publish(listing, price, now=days_ago(days), source=PriceSource.OVERRIDE)
    assert (served()["prior_price"], served()["reduction_may_be_announced"]) == ("8.00", False)
    assert PriceChange.objects.get(version=3).prior_price == Decimal("8.00")


def test_in_a_country_without_a_rule_the_prior_price_is_reported_and_nothing_judged():
    listing = make_listing("85123A")
    publish(listing, "9.00", now=days_ago(3), source=PriceSource.OVERRIDE)
    answer = served("web")
    assert (answer["prior_price"], answer["reduction_may_be_announced"], answer["reduction_percent"]) == (
        "10.00", None, None,
    )  # fmt: skip


def test_a_long_series_of_steps_is_followed_to_its_beginning():
    listing = german(list_price=Decimal("20.00"))
    publish(listing, "20.00", now=days_ago(400), source=PriceSource.LIST_PRICE)
    for step in range(9):
        publish(listing, f"{19 - step}.00", now=days_ago(300 - 30 * step), source=PriceSource.OVERRIDE)
    assert (served()["prior_price"], served()["reduction_percent"]) == ("20.00", 45)
    rule = PriceLawRule.objects.get(country="DE")
    rule.progressive_reductions_allowed = False
    store_price_law(rule=rule)
    assert (served()["prior_price"], served()["reduction_percent"]) == ("12.00", 8)


def test_a_cached_record_is_read_again_when_its_prior_price_changes_with_time():
    listing = german()
    publish(listing, "8.00", now=days_ago(60), source=PriceSource.OVERRIDE)
    publish(listing, "10.00", now=days_ago(29), source=PriceSource.OVERRIDE)
    value = served_values(channel="de", skus=["85123A"])[price_name("de", "85123A")]
    until = json.loads(value.content)["prior_price_until"]
    assert timezone.now().timestamp() < until <= (timezone.now() + timedelta(days=2)).timestamp()
    assert value.refresh_at <= until
    item = PriceItem(value)
    answer = item.answer(None, until - 100)
    assert answer.valid_until(b"usual", until - 100, 300) != b"usual"
    assert answer.valid_until(b"usual", until - 400, 300) == b"usual"
    # The record does not name the moment: an answer says until when it is valid.
    assert "prior_price_until" not in served() and b"prior_price_until" not in answer.body(b"")


def test_a_running_reduction_is_not_read_again_for_the_law():
    listing = german()
    publish(listing, "9.00", now=days_ago(45), source=PriceSource.OVERRIDE)
    value = served_values(channel="de", skus=["85123A"])[price_name("de", "85123A")]
    assert json.loads(value.content)["prior_price_until"] is None


def test_an_arm_is_nobodys_announced_reduction():
    listing = german()
    publish(listing, "9.00", now=days_ago(3), source=PriceSource.OPTIMIZER)
    arms = [Arm("control", 5_000, Decimal("9.00")), Arm("cheaper", 5_000, Decimal("8.50"))]
    serve_arms(
        channel=listing.channel, experiment="spring", unit="sku", salt="s", arms={listing.pk: arms}, now=timezone.now()
    )
    answer = served()
    assert answer["arm"] and (answer["reduction_may_be_announced"], answer["reduction_percent"]) == (False, None)


def test_what_an_experiment_tried_counts_as_applied_for_thirty_days_after_its_end():
    listing = german()
    publish(listing, "10.00", now=days_ago(90), source=PriceSource.OVERRIDE)
    publish(listing, "10.00", now=days_ago(89), source=PriceSource.ROLLBACK)
    arms = [Arm("control", 5_000, Decimal("10.00")), Arm("cheaper", 5_000, Decimal("8.50"))]
    serve_arms(
        channel=listing.channel, experiment="spring", unit="sku", salt="s", arms={listing.pk: arms}, now=days_ago(20)
    )
    end_arms(channel=listing.channel, experiment="spring", now=days_ago(10))
    publish(listing, "9.00", now=days_ago(3), source=PriceSource.OVERRIDE)
    answer = served()
    assert (answer["prior_price"], answer["reduction_may_be_announced"]) == ("8.50", False)
    assert PriceChange.objects.get(listing=listing, price="9.00").prior_price == Decimal("8.50")
    as_of = price_as_of(listings=[listing], at=timezone.now(), now=timezone.now())[listing.pk]
    assert as_of.law.prior_price == Decimal("8.50")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalog_servedarm SET price = 99",
        "DELETE FROM catalog_servedarm",
        "UPDATE catalog_servedexperiment SET started_at = now()",
        "UPDATE catalog_servedexperiment SET ended_at = NULL",
        "UPDATE catalog_servedexperiment SET ended_at = now()",
        "DELETE FROM catalog_servedexperiment",
    ],
)
def test_what_an_experiment_served_is_kept_as_it_was(statement):
    listing = german()
    arms = [Arm("control", 5_000, Decimal("10.00")), Arm("cheaper", 5_000, Decimal("9.50"))]
    serve_arms(
        channel=listing.channel, experiment="spring", unit="sku", salt="s", arms={listing.pk: arms}, now=days_ago(2)
    )
    end_arms(channel=listing.channel, experiment="spring", now=days_ago(1))
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_personalised_price_is_disclosed_in_the_words_of_the_law():
    listing = german()
    publish(listing, "9.00", source=PriceSource.OVERRIDE)
    assert served()["disclosure"] is None
    connection.check_constraints()  # as a commit would; rows that wait to be checked keep the table from being altered
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_pricechange DISABLE TRIGGER USER")
        cursor.execute("UPDATE catalog_pricechange SET personalised = true")
    assert served()["disclosure"] == "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"


def test_another_rule_or_country_is_served_from_the_commit_on():
    german()
    channel = make_channel("de")
    before = price_cache.epoch()
    store_channel(channel=channel, changed=["name"])
    assert price_cache.epoch() == before
    channel.country = "GB"
    store_channel(channel=channel, changed=["country"])
    assert price_cache.epoch() == before + 1 and served()["reduction_may_be_announced"] is None
    remove_price_law(rule=PriceLawRule.objects.get(country="FR"))
    assert price_cache.epoch() == before + 2 and not price_laws(["FR"])["FR"].is_law


@pytest.mark.parametrize("progressive", [False, True])
def test_the_part_of_a_history_that_is_read_is_judged_like_the_whole(progressive):
    rng = random.Random(7)
    listings = [make_listing() for _ in range(12)]
    for listing in listings:
        for days in sorted((rng.uniform(1, 200) for _ in range(rng.randint(1, 14))), reverse=True):
            publish(listing, f"{rng.randint(8, 14)}.00", now=days_ago(days), source=PriceSource.OVERRIDE)
    rule = CountryRule("x", 30, ZoneInfo("Europe/Berlin"), progressive=progressive)
    for at in [timezone.now(), days_ago(40), days_ago(77)]:
        read = applied_prices(listing_ids=[listing.pk for listing in listings], until=at, rules=[rule])
        for listing in listings:
            rows = list(PriceChange.objects.filter(listing=listing).order_by("version"))
            whole = [(row.valid_from, row.price) for row in rows]
            before = rows[0].previous_price if rows else listing.list_price
            part = read.get(listing.pk)
            expected = judge_price(whole, at=at, rule=rule, price_before=before)
            changes, price_before = (part.changes, part.price_before) if part else ([], before)
            assert judge_price(changes, at=at, rule=rule, price_before=price_before) == expected
