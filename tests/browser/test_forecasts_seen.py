"""Forecasters and forecasts in a real Chromium: how one was judged, and the fan of a listing on any screen."""

import pytest
from selenium.webdriver.support.select import Select

from catalog.models import Listing
from optimizer.models import TrainingJob
from tests.browser.windows import follow, picture, says, shown
from tests.optimizer.forecasters import a_daily_shop, make_forecast, make_forecaster

pytestmark = pytest.mark.django_db(transaction=True)


def test_sees_how_a_forecaster_was_judged_and_what_it_expects(manager, live_server):
    forecaster = make_forecaster(a_daily_shop(skus=4))
    forecast = make_forecast(Listing.objects.order_by("pk")[0], forecaster)
    manager.get(f"{live_server.url}/admin/optimizer/demandforecaster/")
    says(manager, "its loss of 0.400")
    picture(manager, "forecasters")
    manager.get(f"{live_server.url}/admin/optimizer/demandforecaster/{forecaster.pk}/change/")
    says(manager, "smooth: sells often", where="#forecast-panel")
    assert len(manager.find_elements("css selector", "#forecast-panel figure svg")) == 2
    picture(manager, "forecaster")
    manager.get(f"{live_server.url}/admin/optimizer/demandforecast/{forecast.pk}/change/")
    says(manager, "where 8 of 10 cases lie", where="#forecast-panel")
    picture(manager, "forecast")
    manager.set_window_size(420, 900)
    manager.execute_script("document.documentElement.classList.add('dark')")
    width = manager.execute_script("return document.querySelector('#forecast-panel svg').getBoundingClientRect().width")
    assert 0 < width <= 420
    picture(manager, "forecast-narrow-dark")


def test_asks_for_a_forecaster(manager, live_server, monkeypatch):
    a_daily_shop(skus=2)
    sent = []
    monkeypatch.setattr("optimizer.tasks.run_training.delay", sent.append)
    manager.get(f"{live_server.url}/admin/optimizer/trainingjob/add/")
    Select(shown(manager, "#id_channel")).select_by_visible_text("web")
    Select(shown(manager, "#id_kind")).select_by_value("forecast")
    Select(shown(manager, "#id_step")).select_by_value("week")
    Select(shown(manager, "#id_network")).select_by_value("lstm")
    picture(manager, "forecaster-form")
    follow(manager, shown(manager, "#ask button[type=submit]"))
    says(manager, "a forecaster of demand")
    job = TrainingJob.objects.get()
    assert sent == [job.pk] and (job.asked["step"], job.asked["network"]) == ("week", "lstm")
