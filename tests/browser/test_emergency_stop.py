"""A kill switch in a real Chromium: stop automatic prices, see it, let them pass again."""

import pytest
from selenium.webdriver.common.by import By

from tests.browser.windows import picture, says, shown
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)


def test_stops_automatic_prices_and_lets_them_pass_again(manager, live_server):
    listing = make_listing()
    address = f"{live_server.url}/admin/catalog/killswitch/"
    manager.get(address)
    shown(manager, "#stop-prices").click()
    shown(manager, "[name=reason]").send_keys("The cost feed is broken")
    manager.find_element(By.NAME, "confirmed").click()
    picture(manager, "kill-switch-form")
    manager.find_element(By.NAME, "_save").click()
    says(manager, "Everything: nothing automatic is published from now on.")
    assert publish(listing, "10.50").refused == {listing.pk: "kill_switch"}

    manager.get(f"{live_server.url}/admin/")
    shown(manager, "#decisions a[href*='killswitch']").click()
    says(manager, "Everything: The cost feed is broken", where="#kill-switches")
    picture(manager, "kill-switch-on")

    manager.find_element(By.CSS_SELECTOR, "#kill-switches a[href$='/lift/']").click()
    shown(manager, "[name=reason]").send_keys("The feed is mended")
    manager.find_element(By.ID, "lift").click()
    says(manager, "Automatic prices pass", where="#kill-switches")
    says(manager, "by manager: The feed is mended")
    assert publish(listing, "10.50").published == [listing.pk]
    manager.get(f"{live_server.url}/admin/")
    says(manager, "Nothing waits for you.", where="#decisions")
