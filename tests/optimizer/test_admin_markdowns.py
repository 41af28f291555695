from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from optimizer.models import MarkdownPlan
from optimizer.services.replan_markdowns import replan_markdowns
from tests.factories import make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def drafted(boss: Client, listing, **fields) -> MarkdownPlan:
    today = timezone.localdate()
    form = {
        "listing": listing.pk, "starts_on": today, "ends_on": today + timedelta(days=27), "period": "week",
        "target_stock": 10, "penalty": "2", "salvage_value": "0", "only_down": "on", "reason": "Winter",
    }  # fmt: skip
    response = boss.post(reverse("admin:optimizer_markdownplan_add"), form | fields)
    assert response.status_code == 302, response.context["errors"]
    return MarkdownPlan.objects.get()


def page(boss: Client, plan: MarkdownPlan) -> str:
    response = boss.get(reverse("admin:optimizer_markdownplan_change", args=[plan.pk]))
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def test_a_plan_is_drafted_previewed_started_and_cancelled(boss):
    listing = make_listing("85123A", inventory=200)
    make_fit(listing.channel, [listing])
    plan = drafted(boss, listing)
    assert (plan.status, plan.author.get_username()) == ("draft", "boss")
    text = page(boss, plan)
    for part in ("Nothing happens until it is started", "Meets the target", "Price: decided", "more than keeping it"):
        assert part in text, part
    boss.post(reverse("admin:optimizer_markdownplan_start", args=[plan.pk]))
    plan.refresh_from_db()
    assert plan.status == "active"
    replan_markdowns(now=timezone.now())
    text = page(boss, plan)
    assert "Steps, the newest first" in text
    assert "published" in text
    assert "85123A" in boss.get(reverse("admin:optimizer_markdownplan_changelist")).content.decode()
    boss.post(reverse("admin:optimizer_markdownplan_cancel", args=[plan.pk]))
    plan.refresh_from_db()
    assert plan.status == "cancelled"


def test_a_draft_that_cannot_work_says_why(boss):
    plan = drafted(boss, make_listing(unit_cost=None))
    assert "the unit cost is unknown or zero: set it first" in page(boss, plan)


def test_starting_takes_a_post_and_the_permission(boss, client):
    listing = make_listing(inventory=200)
    make_fit(listing.channel, [listing])
    plan = drafted(boss, listing)
    address = reverse("admin:optimizer_markdownplan_start", args=[plan.pk])
    assert boss.get(address).status_code == 405
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.post(address).status_code == 403
    plan.refresh_from_db()
    assert plan.status == "draft"
