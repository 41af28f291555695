"""The command that learns how competitors answer, and prices against them."""

import random
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import Channel, GuardrailPolicy, Listing
from catalog.models.listing import PriceSource
from catalog.services.competitor_offers import SeenOffer, record_offers
from optimizer.models import ElasticityFit
from optimizer.selectors.rival_days import rival_days
from optimizer.services.rival_response import NoRivals, learned_rivals, price_against_rivals
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
DAYS = 120
EVERY = 10


@pytest.fixture
def channel() -> Channel:
    return make_channel()


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def days_before(now: datetime, days: int, hour: int = 9) -> datetime:
    """Return an hour of a day before today's, UTC."""
    return datetime.combine(now.astimezone(UTC).date() - days * DAY, time(hour), UTC)


def with_history(channel: Channel, now: datetime, *, last: int = 1) -> list[Listing]:
    """Two listings whose price goes up and down every ten days; the copycat follows on the next day, the rock never."""
    listings = [make_listing(f"SKU{number}", channel=channel) for number in range(2)]
    offers = []
    for listing in listings:
        price = Decimal("10.00")
        publish(listing, "10.00", source=PriceSource.LIST_PRICE, now=days_before(now, DAYS + 1))
        for day in range(DAYS, last - 1, -1):
            if day % EVERY == 5:
                price = Decimal("9.00") if price == 10 else Decimal("10.00")
                publish(listing, str(price), source=PriceSource.LIST_PRICE, now=days_before(now, day, hour=12))
            copied = price if day % EVERY != 5 else (19 - price)  # yesterday's price until tomorrow's look
            seen = days_before(now, day)
            offers += [SeenOffer(listing.pk, "copycat", copied, seen), SeenOffer(listing.pk, "rock", Decimal(10), seen)]
    record_offers(offers=offers)
    return listings


def said(capsys, **options) -> str:
    call_command("rival_response", **options)
    return " ".join(capsys.readouterr().out.split())


def refusal(**options) -> str:
    with pytest.raises(CommandError) as error:
        call_command("rival_response", **options)
    assert error.value.returncode == 2 and "\n" not in str(error.value)
    return str(error.value)


def test_who_follows_and_who_does_not_is_learned_from_the_ledger_and_the_offers(channel, now):
    with_history(channel, now)
    learned = learned_rivals(channel=channel, now=now)
    assert learned.names == ["copycat", "rock"]
    follows = learned.response.probability[:, :, 1]
    assert (follows[0] > 0.85).all() and (follows[1] < 0.15).all()
    # The last change is five days old: whether it is answered within a week is not known yet.
    assert learned.response.events.sum() == learned.changes == 2 * 2 * (DAYS // EVERY - 1)
    assert learned.response.lag[0, 0] > 0.9 and learned.response.pass_through[0] == pytest.approx(1, abs=0.05)


def test_the_command_says_it_in_words(channel, now, capsys):
    with_history(channel, now)
    text = said(capsys)
    assert "copycat" in text and "rock" in text
    assert "of our cuts" in text and "of our raises" in text and "from 10 changes" in text


def test_the_best_price_against_each_rival(channel, now, capsys):
    listings = with_history(channel, now)
    make_fit(channel, listings, mean=-3.0)
    GuardrailPolicy.objects.create(channel=channel, max_change=Decimal("0.30"))
    rivals = learned_rivals(channel=channel, now=now)
    priced = price_against_rivals(channel=channel, sku="SKU0", rivals=rivals, horizon=28, now=now, rival_elasticity=1.5)
    copycat, rock = priced.answers
    assert (copycat.rival, rock.rival) == ("copycat", "rock")
    # By the markup rule 9.00 where nobody answers; who is followed dares more, as a raise costs less demand.
    assert copycat.price_ignoring == rock.price_ignoring == Decimal("9.00")
    assert copycat.price > rock.price
    assert copycat.profit >= copycat.profit_ignoring and rock.profit >= rock.profit_ignoring
    assert copycat.expected_rival_price == pytest.approx(float(copycat.price), rel=0.05)
    text = said(capsys, sku="SKU0")
    assert "elasticity -3.00; in the competitor's price 0.30, what is usual, not learned here" in text
    assert "as given" in said(capsys, sku="SKU0", rival_elasticity=1.5)
    ElasticityFit.objects.update(diagnostics={"shop_competitor_log_price": 0.7})
    assert "in the competitor's price 0.70, as it learned" in said(capsys, sku="SKU0")


def test_prices_that_somebody_asks_about_are_the_candidates(channel, now):
    listings = with_history(channel, now)
    make_fit(channel, listings)
    GuardrailPolicy.objects.create(channel=channel, max_change=Decimal("0.10"), price_endings=[99])
    rivals = learned_rivals(channel=channel, now=now)
    asked = {"channel": channel, "sku": "SKU0", "rivals": rivals, "horizon": 7, "now": now}
    every = price_against_rivals(**asked).candidates
    assert every and all(str(price).endswith(".99") for price in every)
    assert price_against_rivals(**asked, prices=[every[0], every[0]]).candidates == [every[0]]
    for wrong in (Decimal("9.50"), Decimal("14.99"), Decimal("5.99")):
        with pytest.raises(NoRivals, match=f"price {wrong} breaks a guardrail of SKU 'SKU0': give one from"):
            price_against_rivals(**asked, prices=[every[0], wrong])


def test_the_profit_is_that_of_the_formula(channel, now):
    """Where nobody ever answered, profit over T days is T·(p − c)·Q·(p/p0)^e, here by hand."""
    listings = with_history(channel, now)
    make_fit(channel, listings)
    rivals = learned_rivals(channel=channel, now=now)
    rivals.response.probability[:] = [1.0, 0.0, 0.0]
    GuardrailPolicy.objects.create(channel=channel, max_change=Decimal("0.30"))
    assert listings[0].price_in_force == 10
    answers = price_against_rivals(
        channel=channel, sku="SKU0", rivals=rivals, horizon=14, now=now, prices=[Decimal("11.00")]
    ).answers
    by_hand = 14 * (11 - 6) * 40 / 7 * (11 / 10) ** -2
    assert answers[1].profit == pytest.approx(by_hand, rel=1e-6)
    assert answers[1].profit_today == pytest.approx(14 * (10 - 6) * 40 / 7, rel=1e-6)


def test_days_are_what_a_walk_through_time_says(channel, now):
    draw = random.Random(5)
    listings = [make_listing(channel=channel) for _ in range(3)]
    since = days_before(now, 40, hour=0)
    ours, offers = {}, []
    for listing in listings:
        moments = sorted(since + timedelta(hours=hour) for hour in draw.sample(range(-200, 900), 9))
        ours[listing.pk] = [(at, f"{draw.randrange(700, 1500) / 100:.2f}") for at in moments]
        for at, price in ours[listing.pk]:
            publish(listing, price, source=PriceSource.LIST_PRICE, now=at)
        for competitor in ("a", "b"):
            seen = {since + timedelta(minutes=draw.randrange(1, 41 * 1440)) for _ in range(12)}
            offers += [SeenOffer(listing.pk, competitor, Decimal(draw.randrange(500, 1500)) / 100, at) for at in seen]
    record_offers(offers=offers)

    expected = []
    for listing in listings:
        for competitor in ("a", "b"):
            for day in range(40, 0, -1):
                end = days_before(now, day - 1, hour=0)
                shown = [each for each in offers if each[:2] == (listing.pk, competitor) and each.observed_at < end]
                shown = [each for each in shown if each.observed_at <= now]
                newest = max(shown, key=lambda each: each.observed_at, default=None)
                if newest is None or ((end - DAY).date() - newest.observed_at.date()).days > 2:
                    continue
                before = [price for at, price in ours[listing.pk] if at < end]
                own = float(before[-1]) if before else 10.0
                age = ((end - DAY).date() - newest.observed_at.date()).days
                expected.append((listing.pk, competitor, (end - DAY).date(), own, float(newest.price), age))
    found = rival_days(channel=channel, since=since, now=now, carried_days=2)
    moved = {pk for pk, changes in ours.items() if any(since < at for at, _ in changes)}
    assert len(moved) == 3
    assert found.rows() == sorted(expected)


def test_the_shops_own_offers_and_todays_do_not_count(channel, now):
    listing = make_listing(channel=channel)
    channel.own_sellers = ["Our Shop"]
    channel.save()
    record_offers(offers=[SeenOffer(listing.pk, "OUR SHOP", Decimal(9), days_before(now, 3))])
    record_offers(offers=[SeenOffer(listing.pk, "rival", Decimal(9), now)])
    with pytest.raises(NoRivals, match="no competitors' offers of a day that is over"):
        learned_rivals(channel=channel, now=now)


def test_without_changes_of_ours_it_says_that_it_guesses(channel, now, capsys):
    listing = make_listing(channel=channel)
    record_offers(offers=[SeenOffer(listing.pk, "[rival]", Decimal(9), days_before(now, day)) for day in range(1, 9)])
    text = said(capsys)
    assert "[rival]" in text and "from 0 changes" in text and "what is assumed without data" in text


def test_what_is_missing_is_named_with_its_cure(channel, now):
    assert "run `manage.py import_competitor_prices` first" in refusal()
    listings = with_history(channel, now)
    assert "no live model: run `manage.py fit_elasticities` first" in refusal(sku="SKU0")
    make_fit(channel, listings)
    assert "has no SKU 'NONE'" in refusal(sku="NONE")
    make_listing("UNSOLD", channel=channel)
    assert "'UNSOLD' cannot be priced: nothing was sold" in refusal(sku="UNSOLD")
    Listing.objects.filter(product__sku="SKU1").update(unit_cost=None)
    assert "'SKU1' cannot be priced: the unit cost is unknown" in refusal(sku="SKU1")
    assert "no channel 'shop'" in refusal(channel="shop")


def test_stale_offers_are_no_rivals(channel, now):
    listings = with_history(channel, now, last=16)
    make_fit(channel, listings)
    GuardrailPolicy.objects.create(channel=channel, max_change=Decimal("0.30"))
    assert "was seen in the last 14 days" in refusal(sku="SKU0")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"price": [Decimal(9)]}, "--price: say of which product"),
        ({"horizon": 0}, "--horizon: give 1 to 3,650 days"),
        ({"rival_elasticity": float("nan")}, "--rival-elasticity: give a number"),
    ],
)
def test_options_that_make_no_sense(channel, options, said):
    assert said in refusal(**options)
