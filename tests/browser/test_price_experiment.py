"""A price experiment in a real Chromium: drafted, planned, submitted, started, watched, stopped, promoted."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from catalog.gateway import served_prices
from catalog.models import Listing, PriceChange
from experiments.models import ExperimentUnit, PriceExperiment
from tests.browser.windows import follow, picture, says, shown
from tests.experiments.shop import make_shop

pytestmark = pytest.mark.django_db(transaction=True)


def fill(window, **fields):
    for name, text in fields.items():
        box = window.find_element(By.NAME, name)
        box.clear()
        box.send_keys(text)


def choose_channel(window):
    window.find_element(By.CSS_SELECTOR, ".field-channel .select2-selection").click()
    shown(window, ".select2-search__field").send_keys("web")
    shown(window, ".select2-results__option--highlighted, .select2-results__option--selectable")
    window.find_element(By.CSS_SELECTOR, ".select2-search__field").send_keys(Keys.ENTER)


def press(window, button):
    follow(window, shown(window, f"#{button}"))
    follow(window, shown(window, "#confirm"))


def one_sku(arm):
    listing = ExperimentUnit.objects.filter(arm__name=arm).order_by("listing").first().listing
    return Listing.objects.select_related("product").get(pk=listing.pk).product.sku


def price_of(sku):
    return served_prices(channel="web", skus=[sku])[sku]["price"]


def test_from_a_draft_to_promoted_prices(manager, live_server):
    make_shop(categories=6, products=10)
    manager.get(f"{live_server.url}/admin/experiments/priceexperiment/")
    shown(manager, "a[href*='priceexperiment/add']").click()
    shown(manager, "[name=name]")
    fill(manager, name="Five per cent dearer", code="dearer", hypothesis="Shoppers do not mind.")
    choose_channel(manager)
    Select(manager.find_element(By.NAME, "matching")).select_by_value("pairs")
    fill(manager, minimum_effect="0.05", horizon_days="28")
    picture(manager, "experiment-draft")
    follow(manager, manager.find_element(By.NAME, "_continue"))

    says(manager, "was added successfully")
    follow(manager, shown(manager, "#plan"))
    says(manager, "Planned: 60 listings. Nothing is served.")
    says(manager, "Matched pairs", where="#experiment-panel")
    says(manager, "No substitutes were learned", where="#experiment-panel")
    picture(manager, "experiment-planned")

    press(manager, "submit")
    says(manager, "The plan is registered")
    assert not manager.find_elements(By.NAME, "hypothesis")
    press(manager, "start")
    says(manager, "It runs: 60 listings are served through their arms.")
    picture(manager, "experiment-running")
    sku = one_sku("dearer")
    assert (price_of(sku), price_of(one_sku("control"))) == ("10.50", "10.00")

    follow(manager, shown(manager, "#stop"))
    shown(manager, "[name=reason]").send_keys("Enough was seen")
    picture(manager, "experiment-stop")
    follow(manager, manager.find_element(By.ID, "confirm"))
    says(manager, "It is stopped")
    assert price_of(sku) == "10.00"

    follow(manager, shown(manager, "#promote-dearer"))
    says(manager, "60 listings, through the publish gate")
    follow(manager, manager.find_element(By.ID, "confirm"))
    says(manager, "60 prices published.")
    picture(manager, "experiment-promoted")
    assert price_of(one_sku("control")) == "10.50" and PriceChange.objects.count() == 60
    row = PriceExperiment.objects.get()
    assert (row.status, row.decision, row.decided_by) == ("decided", "promoted", "manager")
    manager.get(f"{live_server.url}/admin/experiments/priceexperiment/")
    says(manager, "dearer promoted", where="#result_list")
    picture(manager, "experiment-list")
