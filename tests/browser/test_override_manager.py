"""Overrides in a real Chromium: schedule one, upload a file, cancel."""

from datetime import timedelta

import pytest
from django.utils import timezone
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from catalog.models import PriceOverride
from tests.browser.windows import picture, rows, says, shown, wait
from tests.factories import make_listing

pytestmark = pytest.mark.django_db(transaction=True)

DAY = f"{timezone.now() + timedelta(days=30):%Y-%m-%d}"


def test_schedules_one_uploads_a_file_and_cancels(manager, live_server, tmp_path):
    heart = make_listing("85123A", name="WHITE HANGING HEART")
    make_listing("22423", name="CAKE STAND")
    make_listing("22752", name="SET 7 BABUSHKA BOXES", unit_cost="9.00")
    address = f"{live_server.url}/admin/catalog/priceoverride/"

    manager.get(f"{address}add/?listing={heart.pk}&time_zone=Europe/London")
    for name, text in {"price": "5.00", "reason": "Trade fair", "starts_at": f"{DAY} 09:00"}.items():
        manager.find_element(By.NAME, name).send_keys(text)
    picture(manager, "override-add")
    manager.find_element(By.NAME, "reason").send_keys(Keys.ENTER)
    says(manager, "Below the unit cost", where=".errorlist")
    picture(manager, "override-error")
    price = manager.find_element(By.NAME, "price")
    price.clear()
    price.send_keys("8.00", Keys.ENTER)
    shown(manager, "#result_list")
    assert PriceOverride.objects.get().status == "scheduled"

    file = tmp_path / "prices.csv"
    file.write_text(
        "sku,price,starts_at,ends_at,time_zone,kind,reason\n"
        f"22423,8.49,{DAY} 09:00,{DAY} 17:00,Europe/London,promotion,Advent\n"
        f"22752,8.00,{DAY} 09:00,{DAY} 17:00,Europe/London,,Advent\n"
        f"85123A,7.99,,,,,Clearance\n"
    )
    manager.find_element(By.PARTIAL_LINK_TEXT, "Upload a CSV file").click()
    choose = shown(manager, "[name=file]")
    picture(manager, "override-upload")
    choose.send_keys(str(file))
    manager.find_element(By.CSS_SELECTOR, "#upload-form button[type=submit]").click()
    says(manager, "Nothing was written yet", where="#upload-result")
    picture(manager, "override-preview")
    manager.find_element(By.NAME, "apply").click()
    says(manager, "1 scheduled", where="#upload-result")
    picture(manager, "override-applied")
    assert PriceOverride.objects.count() == 2

    manager.get(address)
    stand, _ = rows(manager)
    picture(manager, "override-list")
    assert "cake stand" in stand and "advent (manager)" in stand
    manager.find_elements(By.CSS_SELECTOR, "#result_list .field-product_column a")[1].click()
    cancel = shown(manager, "[name=catalog_priceoverride_cancel_one]")
    picture(manager, "override-one")
    cancel.click()
    wait(manager).until(lambda window: PriceOverride.objects.filter(status="cancelled").exists())
