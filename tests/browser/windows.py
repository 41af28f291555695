"""A real Chromium: its window, who is logged in there, and waiting for what the page shows."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import presence_of_element_located, staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from pricing_site.roles import set_up_roles

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


@contextmanager
def open_window(folder: Path) -> Iterator[WebDriver]:
    """Open a Chromium that keeps everything in a folder."""
    binary, driver = chromium_and_driver()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    # Chromium writes below HOME, which a container may not have.
    service = Service(driver, env=dict(os.environ, HOME=str(folder)))
    window = webdriver.Chrome(options=options, service=service)
    try:
        yield window
    finally:
        window.quit()


def log_in(window: WebDriver, site: str, name: str, *, role: str = "manager") -> User:
    """Log a new person of a role in, through the page, in the place of whoever is logged in there."""
    set_up_roles()
    person = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    person.groups.set([Group.objects.get(name=role)])
    window.delete_all_cookies()
    window.get(f"{site}/admin/")
    window.find_element(By.NAME, "username").send_keys(name)
    window.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    shown(window, "#latest-run")
    return person


def wait(window: WebDriver) -> WebDriverWait:
    """Wait through every error of the driver: a page that is just being replaced answers with many of them."""
    return WebDriverWait(window, WAIT_SECONDS, ignored_exceptions=[WebDriverException])


def shown(window: WebDriver, selector: str) -> WebElement:
    """Return the first element of a CSS selector once the page has it."""
    return wait(window).until(presence_of_element_located((By.CSS_SELECTOR, selector)))


def follow(window: WebDriver, element: WebElement) -> None:
    """Click what leads to another page, and wait until this one is gone: it may say what the next one will say."""
    page = window.find_element(By.TAG_NAME, "html")
    element.click()
    wait(window).until(staleness_of(page))


def says(window: WebDriver, text: str, *, where: str = "#main, body") -> None:
    """Wait until the page says a text, without regard to no-break spaces and case."""
    wait(window).until(lambda page: _plain(text) in _plain(" ".join(texts(page, where))))


def rows(window: WebDriver) -> list[str]:
    """Return the rows of a list page as text, once it has any."""
    shown(window, "#result_list tr.data-row")
    return [_plain(row) for row in texts(window, "#result_list tr.data-row")]


def texts(window: WebDriver, selector: str) -> list[str]:
    """Return what every element of a CSS selector says, read in one step: no element can go away in between."""
    script = "return Array.from(document.querySelectorAll(arguments[0]), element => element.innerText)"
    found: list[str] = window.execute_script(script, selector)
    return found


def picture(window: WebDriver, name: str) -> None:
    """Save a screenshot, where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        window.save_screenshot(f"{folder}/{name}.png")


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()
