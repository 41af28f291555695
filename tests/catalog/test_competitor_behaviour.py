"""What competitors' offers do to a price, and what they cannot do."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catalog.guardrails import clamp_batch, int_column
from catalog.models import CompetitorPrice, GuardrailPolicy, Listing
from catalog.models.listing import PriceSource
from catalog.money import from_ticks
from catalog.selectors.competitors import STALE_AFTER, competitor_reference_prices, within_reach
from catalog.selectors.pricing_facts import pricing_facts
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def offer(listing: Listing, price: str, *, competitor: str = "rival", seen: datetime = NOW) -> CompetitorPrice:
    return CompetitorPrice.objects.update_or_create(
        listing=listing, competitor=competitor, defaults={"price": Decimal(price), "observed_at": seen}
    )[0]


def reference(listing: Listing, now: datetime = NOW) -> Decimal | None:
    found = competitor_reference_prices(listing_ids=[listing.pk], now=now).get(listing.pk)
    return found[0] if found else None


def reprice(listing: Listing, wanted: int, now: datetime = NOW) -> str:
    """Clamp what we want (ticks) to the guardrails of today, publish it, and return the binding rule."""
    facts = pricing_facts(
        channel=listing.channel, listings=Listing.objects.filter(pk=listing.pk).select_related("product"), now=now
    )
    clamped = clamp_batch(int_column([wanted]), facts.limits, facts.facts).row(0)
    report = publish(listing, str(from_ticks(clamped.price, 2)), now=now, binding_rule=clamped.rule.label)
    assert not report.refused
    return clamped.rule.label


def price_after(listing: Listing, wanted: int, steps: int) -> list[Decimal]:
    prices = []
    for _ in range(steps):
        reprice(listing, wanted)
        prices.append(listing.price)
    return prices


def test_the_reference_is_the_median_of_the_offers():
    listing = make_listing()
    for competitor, price in (("a", "9.00"), ("b", "11.00"), ("c", "9.50")):
        offer(listing, price, competitor=competitor)
    assert reference(listing) == Decimal("9.50")


@pytest.mark.parametrize("outlier", ["0.10", "3.33", "30.01", "999.00"])
def test_an_outlier_is_ignored(outlier):
    listing = make_listing()
    offer(listing, outlier, competitor="a typing error")
    assert reference(listing) is None
    offer(listing, "9.50")
    assert reference(listing) == Decimal("9.50")


def test_a_stale_offer_is_ignored_from_its_age_on_and_one_from_the_future_until_then():
    listing = make_listing()
    offer(listing, "9.50", seen=NOW)
    assert reference(listing, NOW + STALE_AFTER - timedelta(seconds=1)) == Decimal("9.50")
    assert reference(listing, NOW + STALE_AFTER) is None
    assert reference(listing, NOW - timedelta(seconds=1)) is None


def test_a_feed_that_went_stale_no_longer_holds_the_price():
    GuardrailPolicy.objects.create(competitor_max=Decimal("0.0000"))
    listing = make_listing()
    offer(listing, "9.00")
    assert reprice(listing, 1200) == "competitor"
    assert listing.price == Decimal("9.00")
    later = NOW + STALE_AFTER
    reprice(listing, 1200, later)
    assert listing.price == Decimal("10.80"), "20 % at a time"


def test_when_a_competitor_leaves_the_price_recovers_step_by_step():
    GuardrailPolicy.objects.create(competitor_max=Decimal("-0.0100"), max_change=Decimal("0.1000"))
    listing = make_listing()
    rival = offer(listing, "7.50")
    held = price_after(listing, 1100, 5)
    assert held == [Decimal(each) for each in ("9.00", "8.10", "7.42", "7.42", "7.42")]
    rival.delete()
    free = price_after(listing, 1100, 6)
    assert free == [Decimal(each) for each in ("8.16", "8.97", "9.86", "10.84", "11.00", "11.00")]


def test_our_own_low_price_never_makes_the_true_market_absurd():
    # Held down to a third of the market by a person's price: measured against it, all offers would be over three times.
    GuardrailPolicy.objects.create(competitor_min=Decimal("-0.0500"), min_margin=Decimal("0.0000"))
    listing = make_listing(list_price=Decimal("20.00"), unit_cost=Decimal("5.00"))
    publish(listing, "5.00", source=PriceSource.OVERRIDE, now=NOW)
    publish(listing, "5.01", source=PriceSource.ROLLBACK, now=NOW)
    for competitor in "abc":
        offer(listing, "19.00", competitor=competitor)
    assert reference(listing) == Decimal("19.00")
    prices = price_after(listing, 500, 9)
    assert prices == sorted(prices)
    assert prices[-1] == Decimal("18.05")


@pytest.mark.parametrize(
    ("offered", "counts"),
    [("3.40", "5.00"), ("5.00", "5.00"), ("12.00", "12.00"), ("20.00", "20.00"), ("29.90", "20.00")],
)
def test_believable_offers_count_to_half_and_twice_the_list_price(offered, counts):
    listing = make_listing()
    offer(listing, offered)
    assert reference(listing) == within_reach(Decimal(offered), Decimal(10)) == Decimal(counts)


@pytest.mark.parametrize(
    ("corridor", "settled", "rule"),
    [
        # Both want to be 1 % below the other: they stop at the floor, 6.00 / 0.85, and the answer names it.
        (("-0.0300", "-0.0100"), "7.06", "min_margin"),
        # Both want to be 1 to 5 % above the other: they stop 1 % above twice the list price.
        (("0.0100", "0.0500"), "20.20", "competitor"),
    ],
)
def test_two_of_our_shops_settle_through_the_gate_and_recover_when_one_leaves(corridor, settled, rule):
    low, high = (Decimal(each) for each in corridor)
    GuardrailPolicy.objects.create(competitor_min=low, competitor_max=high, ceiling=None)
    shops = [make_listing(), make_listing()]
    rules = []
    for _ in range(40):
        for us, them in (shops, shops[::-1]):
            offer(us, str(them.price or them.list_price))
            rules.append(reprice(us, 1200))
    assert [shop.price for shop in shops] == [Decimal(settled)] * 2
    assert set(rules[-4:]) == {rule}
    CompetitorPrice.objects.all().delete()
    assert price_after(shops[0], 1200, 8)[-1] == Decimal("12.00")
