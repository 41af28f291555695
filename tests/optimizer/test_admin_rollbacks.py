import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Listing, PriceChange, RunRollback
from tests.factories import make_listing, publish
from tests.optimizer.test_runs import finished

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def run_page(client: Client, run) -> str:
    return client.get(reverse("admin:optimizer_optimizationrun_change", args=[run.pk])).content.decode()


def test_the_page_shows_what_would_come_back_and_rolls_back_with_a_reason(boss):
    restored, changed, risen = make_listing("RESTORED"), make_listing("CHANGED"), make_listing("RISEN")
    run = finished(restored, changed, risen)
    changed.refresh_from_db()
    publish(changed, "11.11")
    Listing.objects.filter(pk=risen.pk).update(unit_cost=9)
    url = reverse("admin:optimizer_optimizationrun_roll_back", args=[run.pk])
    assert url in run_page(boss, run)
    text = boss.get(url).content.decode()
    for part in ("RESTORED", "£10.00", "CHANGED", "£11.11", "RISEN", "the minimum margin"):
        assert part in text, part
    assert "Say why the run is rolled back" in boss.post(url, {"reason": ""}).content.decode()
    assert not RunRollback.objects.exists()
    answer = boss.post(url, {"reason": "wrong costs"}, follow=True).content.decode()
    assert "1 prices restored, 1 changed since and left, 1 refused" in answer and "wrong costs" in answer
    assert RunRollback.objects.get().author.get_username() == "boss"
    assert url not in run_page(boss, run)
    rows = boss.get(
        reverse("admin:catalog_rolledbackprice_changelist"), {"rollback__exact": RunRollback.objects.get().pk}
    )
    assert "RISEN" in rows.content.decode() and "minimum margin" in rows.content.decode()


def test_a_run_is_rolled_back_once_on_its_page(boss):
    run = finished(make_listing())
    url = reverse("admin:optimizer_optimizationrun_roll_back", args=[run.pk])
    for _ in range(2):
        boss.post(url, {"reason": "wrong costs"})
    assert PriceChange.objects.count() == 2


def test_who_may_not_open_runs_may_not_roll_back(client):
    run = finished(make_listing())
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    url = reverse("admin:optimizer_optimizationrun_roll_back", args=[run.pk])
    assert client.get(url).status_code == client.post(url, {"reason": "x"}).status_code == 403
    assert not RunRollback.objects.exists()


def test_a_dry_run_offers_no_rollback(boss):
    run = finished(make_listing(), publishes=False)
    assert "roll-back" not in run_page(boss, run)
