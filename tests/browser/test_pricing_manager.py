"""A pricing manager at work, in a real Chromium."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import url_contains

from catalog.models import GuardrailPolicy
from catalog.models.listing import PriceSource
from tests.browser.windows import rows, says, shown, texts, wait
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)


def test_finds_a_product_and_reads_its_price_and_the_reason(manager, live_server):
    make_listing("22752", name="SET 7 BABUSHKA BOXES")
    heart = make_listing("85123A", name="WHITE HANGING HEART")
    explanation = {
        "objective": "profit",
        "candidate": "13.10",
        "clamps": [{"rule": "max_change", "before": "13.10", "after": "12.00"}],
    }
    publish(heart, "10.00", source=PriceSource.LIST_PRICE)
    publish(heart, "12.00", explanation=explanation, binding_rule="max_change")

    manager.get(f"{live_server.url}/admin/")
    manager.find_element(By.PARTIAL_LINK_TEXT, "Products and prices").click()
    shown(manager, "#searchbar").send_keys("85123", Keys.ENTER)
    wait(manager).until(url_contains("q=85123"))
    (row,) = rows(manager)
    assert "white hanging heart" in row and "£12.00" in row

    shown(manager, "#result_list .field-product_column a").click()
    shown(manager, "#price-reason")
    reason = "Raised to £12.00: profit is highest at £13.10, held back by the maximum change"
    assert texts(manager, "#price-reason") == [reason]
    (panel,) = texts(manager, "#price-panel")
    assert "£13.10" in panel and "The maximum change" in panel
    assert manager.find_elements(By.CSS_SELECTOR, "#price-panel svg path")


def test_edits_a_guardrail_policy_and_sees_what_is_wrong(manager, live_server):
    policy = GuardrailPolicy.objects.create(min_margin="0.15")
    manager.get(f"{live_server.url}/admin/catalog/guardrailpolicy/{policy.pk}/change/")
    margin = manager.find_element(By.NAME, "min_margin")
    assert margin.get_attribute("value") == "15"

    margin.clear()
    margin.send_keys("120", Keys.ENTER)
    says(manager, "Give a percentage from 0 to 95.", where=".errorlist")
    policy.refresh_from_db()
    assert float(policy.min_margin) == 0.15

    margin = manager.find_element(By.NAME, "min_margin")
    margin.clear()
    margin.send_keys("20", Keys.ENTER)
    wait(manager).until(lambda browser: browser.current_url.endswith("/guardrailpolicy/"))
    policy.refresh_from_db()
    assert float(policy.min_margin) == 0.2
