"""The pages with which people stop automatic prices and decide on risky ones."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.admin.price_approvals import waiting_badge
from catalog.models import ApprovalPolicy, KillSwitch, PriceApproval, PriceChange
from catalog.models.listing import PriceSource
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db
SWITCHES = "admin:catalog_killswitch_changelist"
INBOX = "admin:catalog_priceapproval_changelist"


@pytest.fixture
def anna():
    return User.objects.create_superuser("anna")


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def waiting(anna):
    ApprovalPolicy.objects.create(max_change="0.1")
    publish(make_listing("85123A"), "12.00", source=PriceSource.OVERRIDE, author=anna, reason="Supplier")
    return PriceApproval.objects.get()


def test_stop_and_let_go(boss):
    channel = make_channel()
    assert "Automatic prices pass" in boss.get(reverse(SWITCHES)).content.decode()
    order = {"channel": channel.pk, "reason": "wrong costs"}
    unconfirmed = boss.post(reverse("admin:catalog_killswitch_add"), order)
    assert "Tick this to confirm" in unconfirmed.content.decode() and not KillSwitch.objects.exists()
    answer = boss.post(reverse("admin:catalog_killswitch_add"), order | {"confirmed": "on"}, follow=True)
    text = answer.content.decode()
    assert "Automatic prices are stopped" in text and "wrong costs" in text and "by boss" in text
    switch = KillSwitch.objects.get()
    assert (switch.flipped_by.username, switch.flipped_through) == ("boss", "admin")
    lift = reverse("admin:catalog_killswitch_lift", args=[switch.pk])
    assert "Let automatic prices pass again?" in boss.get(lift).content.decode()
    assert "Automatic prices pass" in boss.post(lift, {"reason": "checked"}, follow=True).content.decode()
    switch.refresh_from_db()
    assert (switch.is_on, switch.lift_reason) == (False, "checked")


def test_two_scopes_at_once_are_refused_in_words(boss):
    order = {"channel": make_channel().pk, "model": "bandit", "reason": "x", "confirmed": "on"}
    assert "Choose one of channel" in boss.post(reverse("admin:catalog_killswitch_add"), order).content.decode()


def test_a_reader_can_neither_flip_nor_lift(client):
    client.force_login(User.objects.create_user("reader", is_staff=True))
    switch = KillSwitch.objects.create(reason="x", flipped_at="2026-01-01T00:00Z", flipped_through="test")
    assert client.get(reverse("admin:catalog_killswitch_add")).status_code == 403
    assert client.post(reverse("admin:catalog_killswitch_lift", args=[switch.pk])).status_code == 403


def test_the_inbox_says_what_waits_and_why(boss, waiting):
    text = boss.get(reverse(INBOX)).content.decode()
    for part in ("£10.00 → £12.00", "The price moves by 20 %, more than 10 %", "anna", "override"):
        assert part in text, part
    assert waiting_badge(None) == "1"


@pytest.mark.parametrize(("decision", "status", "published"), [("approve", "approved", 1), ("reject", "rejected", 0)])
def test_a_button_decides(boss, waiting, decision, status, published):
    page = boss.get(reverse("admin:catalog_priceapproval_change", args=[waiting.pk])).content.decode()
    assert "Approve and publish" in page and "Supplier" in page
    url = reverse("admin:catalog_priceapproval_decide", args=[waiting.pk])
    boss.post(url, {"decision": decision, "comment": "seen"})
    waiting.refresh_from_db()
    assert (waiting.status, waiting.decided_by.username, waiting.comment) == (status, "boss", "seen")
    assert PriceChange.objects.count() == published


def test_many_at_once(boss, waiting):
    body = {"action": "approve_selected", "_selected_action": [waiting.pk], "comment": "all fine"}
    text = boss.post(reverse(INBOX), body, follow=True).content.decode()
    assert "1 approved and published." in text
    assert PriceChange.objects.get().approved_by.username == "boss"


def test_whoever_asked_sees_no_buttons_and_is_refused(client, anna, waiting):
    client.force_login(anna)
    page = client.get(reverse("admin:catalog_priceapproval_change", args=[waiting.pk])).content.decode()
    assert "somebody else must decide" in page and 'id="approve"' not in page
    url = reverse("admin:catalog_priceapproval_decide", args=[waiting.pk])
    assert client.post(url, {"decision": "approve"}).status_code == 403
    body = {"action": "approve_selected", "_selected_action": [waiting.pk]}
    assert "somebody else must decide" in client.post(reverse(INBOX), body, follow=True).content.decode()
    assert not PriceChange.objects.exists()


def test_a_policy_is_written_in_per_cent(boss):
    body = {"max_change": "20", "sources": ["optimizer"], "expires_after_hours": "24"}
    boss.post(reverse("admin:catalog_approvalpolicy_add"), body)
    policy = ApprovalPolicy.objects.get()
    assert (float(policy.max_change), policy.sources) == (0.2, ["optimizer"])
    assert "Everything" in boss.get(reverse("admin:catalog_approvalpolicy_changelist")).content.decode()
