"""What competitors asked in the weeks of sales: as it stood when they ended, fresh and believable, in the fit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import CompetitorOffer, WeeklySales
from optimizer.selectors.rival_weeks import rival_weeks
from optimizer.services.channel_sales import channel_sales
from optimizer.services.fit_elasticities import fit_channel
from tests.factories import make_channel, make_listing
from tests.optimizer.test_model_registry import MONDAY, a_shop

pytestmark = pytest.mark.django_db


def offer(listing, competitor, day, price):
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=9)
    CompetitorOffer.objects.create(listing=listing, competitor=competitor, price=Decimal(str(price)), observed_at=at)


def sell(listing, week, price="10"):
    WeeklySales.objects.create(
        listing=listing, week=MONDAY + timedelta(weeks=week), units=5, price=Decimal(price), revenue=1, orders=1
    )


def test_a_weeks_offers_are_those_that_stood_when_it_ended_until_they_are_stale():
    listing, day = make_listing("A"), MONDAY + timedelta(days=2)
    for week in range(4):
        sell(listing, week)
    offer(listing, "Rival", day, 9)
    offer(listing, "Rival", day + timedelta(days=3), 8)
    offer(listing, "Other", day + timedelta(weeks=1), 7)
    offer(listing, "Other", MONDAY - timedelta(weeks=1), 6)
    offer(listing, "Other", MONDAY - timedelta(weeks=2), 5)
    found = rival_weeks(channel=make_channel())
    weeks = [((row["week"] - MONDAY).days // 7, row["theirs"]) for row in found.iter_rows(named=True)]
    assert weeks == [(0, (6 + 8) / 2), (1, (7 + 8) / 2), (2, 7.0)]


def test_the_panel_has_the_median_of_believable_offers_by_week():
    listing, channel = make_listing("A"), make_channel()
    for week in range(3):
        sell(listing, week)
    assert channel_sales(channel=channel).panel.competitor_log_price is None
    before = channel_sales(channel=channel).digest
    for competitor, price in (("R", 8), ("S", 9), ("T", 12), ("U", 99), ("Us", 10)):
        offer(listing, competitor, MONDAY, price)
    channel.own_sellers = ["us"]
    channel.save()
    sales = channel_sales(channel=channel)
    np.testing.assert_allclose(np.exp(sales.panel.competitor_log_price), [9, 9, np.nan])
    assert sales.digest != before, "other offers are other sales"


def test_a_rival_who_moves_with_us_is_told_from_our_own_price():
    a_shop()
    rng, sold = np.random.default_rng(3), list(WeeklySales.objects.select_related("listing"))
    offers = []
    for row in sold:
        # It moved half as far as we did; each per cent that it asked more brought us 0.8 % more units.
        theirs = 0.5 * np.log(float(row.price) / 10) + rng.normal(0, 0.08)
        row.units = max(1, round(row.units * float(np.exp(0.8 * theirs))))
        at = datetime.combine(row.week + timedelta(days=1), datetime.min.time(), UTC)
        offers.append((row.listing, at, round(10 * float(np.exp(theirs)), 4)))
    WeeklySales.objects.bulk_update(sold, ["units"])
    blind = fit_channel(channel=make_channel(), now=timezone.now(), method="hierarchical")
    CompetitorOffer.objects.bulk_create(
        CompetitorOffer(listing=listing, competitor="Rival", price=Decimal(str(price)), observed_at=at)
        for listing, at, price in offers
    )
    told = fit_channel(channel=make_channel(), now=timezone.now(), method="hierarchical")
    assert told.diagnostics["shop_competitor_log_price"] == pytest.approx(0.8, abs=0.2)
    assert abs(blind.diagnostics["mean_elasticity"] + 2.2) > 0.25
    assert abs(told.diagnostics["mean_elasticity"] + 2.2) < 0.12
