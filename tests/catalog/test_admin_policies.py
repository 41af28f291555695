"""The policy pages: the preview saves nothing, and every version of a policy stays."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from catalog.admin.policy_versions import LIMIT_NAMES
from catalog.models import GuardrailPolicy, GuardrailPolicyVersion
from catalog.services.policies import LIMITS
from tests.factories import make_listing

pytestmark = pytest.mark.django_db
PREVIEW = "admin:catalog_guardrailpolicy_preview"


def policy_form(**fields):
    return {"category": "", "product": "", "channel": "", "note": ""} | fields


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def text_of(response):
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def test_the_preview_shows_what_the_form_would_do_and_saves_nothing(boss):
    make_listing("85123A", unit_cost=Decimal("9.00"))
    policy = GuardrailPolicy.objects.create(min_margin=Decimal("0.05"))
    form_page = text_of(boss.get(reverse("admin:catalog_guardrailpolicy_change", args=[policy.pk])))
    assert f'formaction="{reverse(PREVIEW)}?policy={policy.pk}"' in form_page
    text = text_of(boss.post(f"{reverse(PREVIEW)}?policy={policy.pk}", policy_form(min_margin="25")))
    assert "85123A" in text and "£12.00 by the minimum margin" in text
    policy.refresh_from_db()
    assert policy.min_margin == Decimal("0.05") and GuardrailPolicy.objects.count() == 1


def test_the_preview_of_a_new_policy_needs_no_row(boss):
    make_listing("85123A")
    text = text_of(boss.post(reverse(PREVIEW), policy_form(price_endings="99")))
    assert "£9.99 by the price ending" in text and not GuardrailPolicy.objects.exists()


def test_a_wrong_form_says_what_to_correct(boss):
    text = text_of(boss.post(reverse(PREVIEW), policy_form(min_margin="120")))
    assert "Minimum margin" in text and "Give a percentage from 0 to 95." in text


def test_who_may_not_change_policies_sees_no_preview(client):
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_guardrailpolicy"))
    client.force_login(reader)
    policy = GuardrailPolicy.objects.create(min_margin=Decimal("0.05"))
    assert client.post(reverse(PREVIEW), policy_form()).status_code == 403
    assert client.post(f"{reverse(PREVIEW)}?policy={policy.pk}", policy_form()).status_code == 403
    assert "_preview" not in text_of(client.get(reverse("admin:catalog_guardrailpolicy_change", args=[policy.pk])))


@pytest.mark.parametrize("query", ["?policy=999999", "?policy=x"])
def test_a_policy_that_is_gone_is_not_found(boss, query):
    assert boss.post(reverse(PREVIEW) + query, policy_form()).status_code == 404
    assert boss.get(reverse(PREVIEW)).status_code == 405


def test_own_sellers_are_written_with_commas(boss):
    channel = make_listing().channel
    fields = {"name": "Web", "country": "GB", "own_sellers": "Our Shop, Outlet"}
    assert boss.post(reverse("admin:catalog_channel_change", args=[channel.pk]), fields).status_code == 302
    channel.refresh_from_db()
    assert channel.own_sellers == ["Our Shop", "Outlet"]


def test_the_page_shows_who_changed_what_and_why(boss):
    add = reverse("admin:catalog_guardrailpolicy_add")
    assert boss.post(add, policy_form(min_margin="10", note="Start")).status_code == 302
    policy = GuardrailPolicy.objects.get()
    change = reverse("admin:catalog_guardrailpolicy_change", args=[policy.pk])
    assert boss.post(change, policy_form(min_margin="15", note="Costs rose", price_endings="99")).status_code == 302
    text = text_of(boss.get(change))
    assert "minimum margin 15 %, was 10 %; price endings …99, was none" in text
    assert "minimum margin 10 %" in text and "Costs rose" in text and "boss" in text
    assert (
        boss.post(reverse("admin:catalog_guardrailpolicy_delete", args=[policy.pk]), {"post": "yes"}).status_code == 302
    )
    last = GuardrailPolicyVersion.objects.latest("version")
    assert (last.version, last.limits, last.author.username) == (3, None, "boss")
    assert "no policy from here on" in text_of(boss.get(reverse("admin:catalog_guardrailpolicyversion_changelist")))
    page = text_of(boss.get(reverse("admin:catalog_guardrailpolicyversion_change", args=[last.pk])))
    assert "Policy for everything" in page


def test_every_limit_has_a_name_in_the_history():
    assert set(LIMIT_NAMES) == set(LIMITS)


def test_the_list_names_the_limits_of_a_day(boss):
    rate = Decimal("0.2")
    GuardrailPolicy.objects.create(max_change=rate, max_change_per_day=Decimal("0.3"), max_changes_per_day=2)
    assert "20 %, 30 % a day, 2 times a day" in text_of(boss.get(reverse("admin:catalog_guardrailpolicy_changelist")))
