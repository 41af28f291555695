"""Windows for tests. Our own modules are imported late: pytest reads this file before Django is set up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    from tests.browser.windows import open_window

    with open_window(tmp_path) as window:
        yield window


@pytest.fixture
def manager(browser: WebDriver, live_server) -> WebDriver:
    """A browser in which "manager", of the role of that name, has logged in."""
    from tests.browser.windows import log_in

    log_in(browser, live_server.url, "manager")
    return browser
