"""A pricing manager at work, in a real Chromium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import presence_of_element_located, url_contains
from selenium.webdriver.support.wait import WebDriverWait

from catalog.models import GuardrailPolicy
from catalog.models.listing import PriceSource
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
WAIT_SECONDS = 20
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1400,900",
)


def chromium_and_driver() -> tuple[str, str]:
    """Return both programs; without them skip, or fail where REQUIRE_BROWSER=1 says that they must be there."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    reason = "no Chromium with its driver: apt-get install chromium chromium-driver"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    binary, driver = chromium_and_driver()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    # Chromium writes below HOME, which a container may not have.
    service = Service(driver, env=dict(os.environ, HOME=str(tmp_path)))
    window = webdriver.Chrome(options=options, service=service)
    yield window
    window.quit()


@pytest.fixture
def manager(browser: WebDriver, live_server) -> WebDriver:
    """A browser whose user has logged in."""
    User.objects.create_superuser("manager", password=PASSWORD)
    browser.get(f"{live_server.url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("manager")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait(browser).until(presence_of_element_located((By.ID, "latest-run")))
    return browser


def wait(browser: WebDriver) -> WebDriverWait:
    gone = [NoSuchElementException, StaleElementReferenceException]
    return WebDriverWait(browser, WAIT_SECONDS, ignored_exceptions=gone)


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
    search = wait(manager).until(presence_of_element_located((By.ID, "searchbar")))
    search.send_keys("85123", Keys.ENTER)
    wait(manager).until(url_contains("q=85123"))
    rows = manager.find_elements(By.CSS_SELECTOR, "#result_list tr.data-row")
    assert len(rows) == 1 and "WHITE HANGING HEART" in rows[0].text and "£12.00" in rows[0].text

    rows[0].find_element(By.CSS_SELECTOR, ".field-product_column a").click()
    reason = wait(manager).until(presence_of_element_located((By.ID, "price-reason")))
    assert reason.text == "Raised to £12.00: profit is highest at £13.10, held back by the maximum change"
    panel = manager.find_element(By.ID, "price-panel").text
    assert "£13.10" in panel and "The maximum change" in panel
    assert manager.find_elements(By.CSS_SELECTOR, "#price-panel svg path")


def test_edits_a_guardrail_policy_and_sees_what_is_wrong(manager, live_server):
    policy = GuardrailPolicy.objects.create(min_margin="0.15")
    manager.get(f"{live_server.url}/admin/catalog/guardrailpolicy/{policy.pk}/change/")
    margin = manager.find_element(By.NAME, "min_margin")
    assert margin.get_attribute("value") == "15"

    margin.clear()
    margin.send_keys("120", Keys.ENTER)
    # Read within the wait: the page may be replaced between finding the element and reading it.
    error = wait(manager).until(lambda browser: browser.find_element(By.CSS_SELECTOR, ".errorlist").text)
    assert error == "Give a percentage from 0 to 95."
    policy.refresh_from_db()
    assert float(policy.min_margin) == 0.15

    margin = manager.find_element(By.NAME, "min_margin")
    margin.clear()
    margin.send_keys("20", Keys.ENTER)
    wait(manager).until(lambda browser: browser.current_url.endswith("/guardrailpolicy/"))
    policy.refresh_from_db()
    assert float(policy.min_margin) == 0.2
