"""Runs in a real Chromium: roll one back; read what a simulation would change, and promote it."""

from decimal import Decimal

import pytest
from django.utils import timezone
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from catalog.models import PriceChange, RunRollback
from optimizer.services.publish_run import parts_left, publish_run
from tests.browser.windows import picture, rows, says, shown
from tests.factories import make_listing, publish
from tests.optimizer.simulations import computed
from tests.optimizer.test_runs import finished
from tests.optimizer.test_solve_portfolio import finished as finished_together

pytestmark = pytest.mark.django_db(transaction=True)


def test_rolls_a_run_back_and_leaves_what_changed_since(manager, live_server):
    heart, stand = make_listing("85123A", name="WHITE HANGING HEART"), make_listing("22423", name="CAKE STAND")
    finished(heart, stand)
    stand.refresh_from_db()
    publish(stand, "11.11")

    manager.get(f"{live_server.url}/admin/")
    shown(manager, "#latest-run a[href*='optimizationrun']").click()
    shown(manager, "#roll-back").click()
    says(manager, "85123A WHITE HANGING HEART £12.00 £10.00", where="#roll-back-preview")
    says(manager, "22423 CAKE STAND £12.00 £11.11", where="#roll-back-preview")
    picture(manager, "roll-back-preview")
    manager.find_element(By.NAME, "reason").send_keys("Wrong costs", Keys.ENTER)
    says(manager, "1 prices restored, 1 changed since and left, 0 refused.", where="#rollback")
    heart.refresh_from_db(), stand.refresh_from_db()
    assert (str(heart.price), str(stand.price)) == ("10.0000", "11.1100")

    manager.find_element(By.CSS_SELECTOR, "#rollback a").click()
    outcomes = sorted(rows(manager))
    assert "cake stand" in outcomes[0] and "changed since" in outcomes[0]
    assert "hanging heart" in outcomes[1] and "restored" in outcomes[1]
    picture(manager, "roll-back-outcome")
    assert RunRollback.objects.get().author.get_username() == "manager"


def test_reads_what_a_simulation_would_change_and_promotes_it(manager, live_server):
    heart = make_listing("85123A", name="WHITE HANGING HEART")
    computed(heart, name="Dearer costs")
    manager.get(f"{live_server.url}/admin/optimizer/simulation/")
    shown(manager, "#result_list th a, #result_list .field-name a").click()
    says(manager, "WHITE HANGING HEART 85123A £10.00 £12.00 +20 %", where="#diff")
    picture(manager, "simulation-diff")
    manager.find_element(By.ID, "promote").click()
    says(manager, "“Dearer costs” is promoted: its prices are in force.")
    says(manager, "Prices before and after", where="#simulation-panel")
    heart.refresh_from_db()
    assert heart.price == 12
    picture(manager, "simulation-promoted")


def test_sets_goals_and_reads_what_they_cost(manager, live_server):
    listings = [make_listing(name=f"MUG {number}") for number in range(8)]
    manager.get(f"{live_server.url}/admin/optimizer/rungoals/add/")
    manager.execute_script(
        "const box = document.querySelector('[name=channel]');box.append(new Option('web', arguments[0], true, true));",
        listings[0].channel_id,
    )
    shown(manager, "[name=least_revenue_change]").send_keys("-2")
    manager.find_element(By.NAME, "most_changes").send_keys("5")
    picture(manager, "run-goals")
    manager.find_element(By.NAME, "_save").click()
    says(manager, "−2 %", where="#result_list")
    run = finished_together(listings)
    assert run.status == "succeeded", run.error
    manager.get(f"{live_server.url}/admin/optimizer/optimizationrun/{run.pk}/change/")
    says(manager, "no choice that meets the goals brings more than", where="#goals")
    says(manager, "Budget of price changes: one change less costs", where="#goals")
    picture(manager, "run-with-goals")


def test_sees_a_share_published_first_and_publishes_the_rest(manager, live_server):
    names = ["WHITE HANGING HEART", "CAKE STAND", "JUMBO BAG", "PARTY BUNTING"]
    listings = [make_listing(f"8512{at}", name=name) for at, name in enumerate(names)]
    run = finished(*listings, canary_share=Decimal("0.25"))
    manager.get(f"{live_server.url}/admin/")
    picture(manager, "canary-decision")
    manager.get(f"{live_server.url}/admin/optimizer/optimizationrun/{run.pk}/change/")
    says(manager, "3 others wait", where="#canary")
    picture(manager, "canary-waits")
    shown(manager, "#release").click()
    says(manager, "The rest is being published.")
    says(manager, "The prices of 0 of 1 chunks are published.")
    picture(manager, "canary-being-released")
    run.refresh_from_db()
    publish_run(run_id=run.pk, parts=parts_left(run), now=timezone.now())  # a worker does that
    manager.refresh()
    says(manager, "succeeded", where="#run-panel")
    picture(manager, "canary-released")
    assert PriceChange.objects.filter(run_id=run.pk).count() == 4
