"""Pages of forecasters and forecasts: verdict, scores, and what is expected."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog.admin.cells import admin_url
from catalog.models import Listing
from tests.factories import make_channel
from tests.optimizer.forecasters import a_daily_shop, make_forecast, make_forecaster

pytestmark = pytest.mark.django_db


@pytest.fixture
def window() -> Client:
    window = Client()
    window.force_login(User.objects.create_superuser("boss"))
    return window


def test_a_forecaster_says_how_it_was_judged_and_who_serves(window):
    forecaster = make_forecaster(make_channel())
    listed = window.get(admin_url("optimizer_demandforecaster_changelist")).content.decode()
    assert str(forecaster) in listed and "its loss of 0.400" in listed
    page = window.get(admin_url("optimizer_demandforecaster_change", forecaster.pk)).content.decode()
    assert "Its loss of 0.400 is 8 % below that of seasonal naive." in page
    assert "smooth: sells often" in page and "new: too little history" in page and "0.435" in page and "<svg" in page


def test_a_forecast_shows_its_fan_beside_what_was_sold(window):
    channel = a_daily_shop(skus=2, weeks=26)
    forecast = make_forecast(Listing.objects.order_by("pk")[0], make_forecaster(channel), cold_start=True)
    listed = window.get(admin_url("optimizer_demandforecast_changelist"), {"q": "S000"}).content.decode()
    assert "2.0 to 9.0" in listed and "S000" in listed
    page = window.get(admin_url("optimizer_demandforecast_change", forecast.pk)).content.decode()
    assert "its category speaks for it" in page and "fill-opacity" in page and "6 Jul 2026" in page
    assert page.count("<circle") == 56


def test_a_forecaster_shows_what_it_expected_of_the_held_out_steps_beside_what_sold(window):
    forecaster = make_forecaster(make_channel())
    days = [date(2026, 6, 1) + timedelta(days=n) for n in range(12)]
    sold, ahead = [float(n) for n in range(12)], [5.0] * 4
    forecaster.scores["held_out"] = {
        "days": [day.isoformat() for day in days], "horizon": 4, "series": [
            {"sku": sku, "segment": kind, "sold": sold, "middle": ahead, "low": [2.0] * 4, "high": [9.0] * 4}
            for sku, kind in (("", ""), ("MUG", "lumpy"))
        ],
    }  # fmt: skip
    forecaster.save()
    page = window.get(admin_url("optimizer_demandforecaster_change", forecaster.pk)).content.decode()
    assert page.count("<figure") == 4 and "All products: units sold (dots), sum of their means" in page
    assert "MUG (lumpy): units sold" in page and "12 Jun 26" in page and "12 Jun 2026: 11" in page
    assert "the band is what the gate lets pass" in page and "all products: 80" in page


def test_the_page_of_a_price_shows_its_forecast_by_week_where_there_is_one(window):
    channel = a_daily_shop(skus=1, weeks=26)
    listing = Listing.objects.get()
    path = admin_url("catalog_listing_change", listing.pk)
    assert "Its forecast" not in window.get(path).content.decode()
    make_forecast(listing, make_forecaster(channel))
    page = window.get(path).content.decode()
    assert "forecast by forecaster" in page and "35.0 units" in page and "mean of the first seven days" in page
    stored = make_forecast(listing, make_forecaster(channel, step="week"), steps=4)
    page = window.get(path).content.decode()
    assert "Forecast, a week" in page and "4.0 units" in page and "8 of 10 cases: 2.0 to 9.0" in page
    assert f"Units a week sold (dots), and forecast by {stored.forecaster}" in page
    assert admin_url("optimizer_demandforecast_change", stored.pk) in page
