"""Four eyes in a real Chromium: one asks for a price, another approves it."""

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from catalog.models import ApprovalPolicy, PriceApproval
from catalog.models.listing import PriceSource
from tests.browser.windows import log_in, picture, rows, says, shown
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)


def go_to_the_inbox(window, site):
    window.get(f"{site}/admin/")
    shown(window, "#decisions a[href*='priceapproval']").click()


def test_nobody_approves_their_own_price_and_a_second_person_does(manager, live_server):
    ApprovalPolicy.objects.create(max_change="0.1")
    heart = make_listing("85123A", name="WHITE HANGING HEART")
    manager.get(f"{live_server.url}/admin/catalog/priceoverride/add/?listing={heart.pk}&time_zone=Europe/London")
    manager.find_element(By.NAME, "price").send_keys("12.00")
    manager.find_element(By.NAME, "reason").send_keys("The supplier is dearer", Keys.ENTER)
    says(manager, "second person")

    go_to_the_inbox(manager, live_server.url)
    assert "£10.00 → £12.00 +20 %" in rows(manager)[0]
    manager.find_element(By.CSS_SELECTOR, ".field-product_column a").click()
    says(manager, "You asked for this price: somebody else must decide on it.")
    assert not manager.find_elements(By.ID, "approve")
    picture(manager, "approval-own")

    log_in(manager, live_server.url, "second")
    go_to_the_inbox(manager, live_server.url)
    shown(manager, ".field-product_column a").click()
    shown(manager, "#approval-panel [name=comment]").send_keys("Seen the invoice")
    manager.find_element(By.ID, "approve").click()
    says(manager, "1 approved and published.")
    heart.refresh_from_db()
    assert heart.price == 12

    manager.get(f"{live_server.url}/admin/catalog/listing/{heart.pk}/change/")
    says(manager, "Raised to £12.00 by manager: The supplier is dearer; approved by second", where="#price-reason")
    picture(manager, "approval-published")


def test_many_are_approved_at_once_but_not_ones_own(manager, live_server):
    ApprovalPolicy.objects.create(max_change="0.1")
    for number in range(2):
        publish(make_listing(f"AUTO-{number}"), "12.00")
    own = make_listing("OWN")
    publish(own, "12.00", source=PriceSource.OVERRIDE, author=User.objects.get(username="manager"))

    go_to_the_inbox(manager, live_server.url)
    assert len(rows(manager)) == 3
    manager.find_element(By.ID, "action-toggle").click()
    Select(manager.find_element(By.NAME, "action")).select_by_visible_text("Approve and publish")
    manager.find_element(By.NAME, "comment").send_keys("Monday's run", Keys.ENTER)
    says(manager, "2 approved and published.")
    says(manager, "OWN in web: You asked for this price")
    picture(manager, "approval-bulk")
    assert PriceApproval.objects.get(status="waiting").listing == own
    assert PriceApproval.objects.filter(status="approved", comment="Monday's run").count() == 2
