from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import Listing, WeekConditions, WeeklySales
from catalog.selectors.holidays import weeks_with_holidays
from optimizer.engine import ElasticityConfig
from optimizer.models import ElasticityEstimate, ElasticityFit
from optimizer.services.channel_sales import NothingToLearnFrom, channel_sales
from optimizer.services.fit_elasticities import fit_channel
from tests.factories import make_channel, make_listing

pytestmark = pytest.mark.django_db

MONDAY = date(2011, 1, 3)


def sell(listing: Listing, elasticity: float, *, weeks: int = 30, level: float = 5.0, price_sd: float = 0.15) -> None:
    """Simulate weekly sales of a listing around 10.00 with a known elasticity."""
    rng = np.random.default_rng(round(-10 * elasticity))  # not the key, which depends on the tests that ran before
    log_price = rng.normal(0, price_sd, weeks)
    units = np.maximum(1, np.exp(level + elasticity * log_price + rng.normal(0, 0.1, weeks)).round())
    WeeklySales.objects.bulk_create(
        WeeklySales(
            listing=listing,
            week=MONDAY + timedelta(weeks=week),
            units=int(units[week]),
            price=Decimal(f"{10 * np.exp(log_price[week]):.4f}"),
            revenue=1,
            orders=1,
        )
        for week in range(weeks)
    )


def fitted() -> ElasticityFit:
    return fit_channel(channel=make_channel(), now=timezone.now())


def test_known_elasticities_are_recovered_within_their_interval():
    truth = {make_listing().pk: elasticity for elasticity in (-0.8, -1.5, -2.2, -3.0)}
    for pk, elasticity in truth.items():
        sell(Listing.objects.get(pk=pk), elasticity)
    fit = fitted()
    for estimate in ElasticityEstimate.objects.filter(fit=fit):
        assert abs(estimate.mean - truth[estimate.listing_id]) < 3 * estimate.sd < 1.0
        assert estimate.informed and estimate.weeks == 30 and estimate.note == ""
        assert estimate.base_demand == pytest.approx(np.exp(5.0), rel=0.25)


def test_without_price_variation_the_prior_stands_and_says_so():
    listing = make_listing()
    sell(listing, -2.0, price_sd=0.0)
    estimate = ElasticityEstimate.objects.get(fit=fitted())
    assert (estimate.mean, estimate.sd, estimate.informed) == (-1.5, 0.5, False)
    assert "no price variation" in estimate.note


def test_weeks_without_sales_lower_the_demand_to_expect():
    always, seldom = make_listing(), make_listing()
    sell(always, -1.5)
    sell(seldom, -1.5)
    WeeklySales.objects.filter(listing=seldom, week__gte=MONDAY + timedelta(weeks=15)).delete()
    demand = dict(ElasticityEstimate.objects.filter(fit=fitted()).values_list("listing", "base_demand"))
    assert demand[seldom.pk] == pytest.approx(demand[always.pk] / 2, rel=0.3)


def test_the_same_sales_are_fitted_once_and_new_sales_again():
    listing = make_listing()
    sell(listing, -2.0)
    first = fitted()
    assert fitted() == first and ElasticityEstimate.objects.count() == 1
    WeeklySales.objects.filter(listing=listing).order_by("week").first().delete()
    assert fitted() != first


def test_another_configuration_is_another_fit():
    sell(make_listing(), -2.0)
    first = fitted()
    other = fit_channel(channel=make_channel(), now=timezone.now(), config=ElasticityConfig(elasticity_mean=-2.0))
    assert other != first and other.config["elasticity_mean"] == -2.0


def test_sales_of_other_channels_are_not_read():
    sell(make_listing(channel=make_channel("de", currency="EUR", country="DE")), -2.0)
    with pytest.raises(NothingToLearnFrom, match="import_sales"):
        fitted()


def test_a_hierarchical_fit_reads_promotions_and_weeks_that_sold_out():
    promoted, sold_out = [], []
    for number in range(21):
        listing = make_listing()
        sell(listing, -1 - number / 10)  # another each, for other prices
        rows = list(listing.weekly_sales.order_by("week"))
        promoted += rows[number % 4 :: 8]
        sold_out += rows[number % 4 + 4 :: 8]
    cases = ((promoted, {"promotion": 1}, 0.9, 3), (sold_out, {"stocked_out": True}, 1.1, 1 / 3))
    for rows, conditions, moved, factor in cases:
        for row in rows:
            WeekConditions.objects.create(listing=row.listing, week=row.week, **conditions)
            units, price = max(1, round(row.units * moved**-2 * factor)), float(row.price) * moved
            WeeklySales.objects.filter(pk=row.pk).update(units=units, price=Decimal(f"{price:.4f}"))
    panel = channel_sales(channel=make_channel()).panel
    assert panel.promotion.sum() == len(promoted) and panel.stocked_out.sum() == len(sold_out)
    told = fit_channel(channel=make_channel(), now=timezone.now(), method="hierarchical")
    WeekConditions.objects.all().delete()
    blind = fit_channel(channel=make_channel(), now=timezone.now(), method="hierarchical")
    assert blind.pk != told.pk, "other conditions are other sales"
    errors = [abs(fit.diagnostics["mean_elasticity"] + 2.0) for fit in (told, blind)]
    assert errors[0] < 0.3 and errors[0] < errors[1] / 2, errors


def test_weeks_with_public_holidays_are_those_of_the_channels_country():
    weeks = weeks_with_holidays(country="GB", first=date(2011, 4, 18), weeks=3)
    assert weeks == [
        True,
        True,
        True,
    ]  # Good Friday; Easter Monday in Scotland's neighbours and a royal wedding; May Day
    assert weeks_with_holidays(country="US", first=date(2011, 7, 4), weeks=2) == [True, False]
    assert weeks_with_holidays(country="ZZ", first=date(2011, 7, 4), weeks=2) == [False, False]


def test_a_promotion_of_part_of_a_week_late_in_the_sales_is_read_and_another_country_is_another_fit():
    for number in range(5):
        sell(make_listing(), -1 - number / 10)
    last = Listing.objects.order_by("pk").last()
    WeekConditions.objects.create(listing=last, week=MONDAY + timedelta(weeks=29), promotion=0.5)
    channel = make_channel()
    sales = channel_sales(channel=channel)
    assert len(sales.panel) == 150 and sales.panel.promotion[-1] == 0.5
    channel.country = "US"
    channel.save()
    assert channel_sales(channel=channel).digest != sales.digest
