"""Pages of forecasters and forecasts: verdict, scores, and what is expected."""

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
