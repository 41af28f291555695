"""The pages of price experiments, layers and the holdout: what they show, who may press what, and what it does."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from catalog.models import ApprovalPolicy, Listing
from experiments.models import ExperimentLayer, HoldoutListing, HoldoutPolicy, PriceExperiment
from pricing_site.roles import set_up_roles
from tests.experiments.shop import make_draft, make_shop
from tests.factories import make_channel

pytestmark = pytest.mark.django_db


def person(role, name=None):
    set_up_roles()
    user = User.objects.create_user(name or role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def manager():
    return person("manager")


def url(name, *arguments):
    return reverse(f"admin:experiments_priceexperiment_{name}", args=arguments)


def form(**changed):
    fields = {
        "name": "Spring",
        "code": "spring",
        "hypothesis": "Shoppers do not mind.",
        "channel": make_channel().pk,
        "category": "",
        "layer": "",
        "first_bucket": 0,
        "buckets": 10_000,
        "design": "sku",
        "matching": "pairs",
        "metric": "profit",
        "minimum_effect": "0.05",
        "method": "spending",
        "spending": "obrien_fleming",
        "horizon_days": 28,
        "alpha": "0.05",
        "power": "0.8",
        "cuped_days": 28,
        "winsor_quantile": "",
        "slot_seconds": "",
        "washout_seconds": 0,
        "disclosure": "",
        "arms-TOTAL_FORMS": 2,
        "arms-INITIAL_FORMS": 0,
        "arms-0-position": 0,
        "arms-0-name": "control",
        "arms-0-share": 5_000,
        "arms-0-price_change": 0,
        "arms-1-position": 1,
        "arms-1-name": "dearer",
        "arms-1-share": 5_000,
        "arms-1-price_change": "0.05",
        "guardrails-TOTAL_FORMS": 1,
        "guardrails-INITIAL_FORMS": 0,
        "guardrails-0-metric": "units",
        "guardrails-0-tolerated_loss": "0.1",
    }
    return fields | changed


def press(client, row, name, *arguments, **fields):
    return client.post(url(name, row.pk, *arguments), fields, follow=True)


def said(response):
    return [str(message) for message in response.context["messages"]]


def page(client, row):
    return client.get(url("change", row.pk)).content.decode()


def test_a_draft_is_made_with_its_arms_and_guardrails(manager):
    assert 'value="control"' in manager.get(url("add")).content.decode()
    assert manager.post(url("add"), form()).status_code == 302
    row = PriceExperiment.objects.get()
    assert (row.status, row.created_by, row.layer.name) == ("draft", "manager", "prices")
    assert list(row.arms.values_list("position", "name", "share")) == [(0, "control", 5_000), (1, "dearer", 5_000)]
    assert row.guardrails.get().metric == "units"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"arms-1-share": 4_000}, "sum to 9,000 basis points"),
        ({"arms-1-position": 2}, "Number the arms 0, 1, 2"),
        ({"arms-1-price_change": 0}, "changes no price"),
        ({"arms-0-price_change": "0.1"}, "first one is the control"),
        ({"horizon_days": ""}, "need a horizon in days"),
        ({"design": "switchback"}, "has slots"),
    ],
)
def test_a_faulty_draft_says_what_to_mend(manager, changed, words):
    answer = manager.post(url("add"), form(**changed))
    assert answer.status_code == 200 and words in answer.content.decode()
    assert not PriceExperiment.objects.exists()


def test_a_layer_of_another_channel_is_refused(manager):
    other = ExperimentLayer.objects.create(channel=make_channel("other"), name="prices")
    assert "of another channel" in manager.post(url("add"), form(layer=other.pk)).content.decode()


def test_from_the_plan_to_promoted_prices(manager):
    make_shop()
    row = make_draft()
    assert said(press(manager, row, "plan")) == ["Planned: 24 listings. Nothing is served."]
    shown = page(manager, row)
    assert "Matched pairs" in shown and "No substitutes were learned" in shown and "Days needed" in shown
    assert "Register this plan?" in manager.get(url("submit", row.pk)).content.decode()
    assert said(press(manager, row, "submit")) == ["The plan is registered: it cannot change any more."]
    assert 'name="hypothesis"' not in page(manager, row)
    assert said(press(manager, row, "start")) == ["It runs: 24 listings are served through their arms."]
    assert said(press(manager, row, "stop", reason="Enough seen")) == [
        "It is stopped: the prices in force are served again."
    ]
    assert "24 listings" in manager.get(url("promote", row.pk, "dearer")).content.decode()
    assert said(press(manager, row, "promote", "dearer")) == ["24 prices published."]
    assert Listing.objects.filter(price="10.50").count() == 24
    shown = page(manager, row)
    assert "Enough seen" in shown and "(dearer)" in shown
    assert "dearer promoted" in manager.get(url("changelist")).content.decode()


def test_changing_a_draft_forgets_its_plan(manager):
    make_shop()
    row = make_draft()
    press(manager, row, "plan")
    control, dearer = row.arms.all()
    changed = form(name="Another name", layer=row.layer_id)
    changed |= {"arms-INITIAL_FORMS": 2, "arms-0-id": control.pk, "arms-1-id": dearer.pk}
    changed |= {"arms-0-experiment": row.pk, "arms-1-experiment": row.pk, "guardrails-TOTAL_FORMS": 0}
    assert manager.post(url("change", row.pk), changed).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.plan) == ("Another name", None)


def test_a_stop_without_a_reason_asks_again(manager):
    make_shop()
    row = make_draft()
    press(manager, row, "submit")
    press(manager, row, "start")
    assert "Say why" in press(manager, row, "stop", reason=" ").content.decode()
    row.refresh_from_db()
    assert row.status == "running"


def test_faults_and_wrong_states_are_said(manager):
    make_shop(categories=1, products=2)
    row = make_draft()
    assert "2 are the least" in said(press(manager, row, "submit"))[0]
    assert said(press(manager, row, "start")) == ["Experiment spring is draft: it must be in review."]
    assert manager.get(url("promote", row.pk, "control")).status_code == 404


def test_who_asked_for_risky_prices_does_not_start_them(manager):
    make_shop()
    ApprovalPolicy.objects.create(max_change="0.01")
    row = make_draft(by="manager")
    press(manager, row, "submit")
    assert "somebody else" in said(press(manager, row, "start"))[0]
    assert "It runs" in said(press(person("manager", "second"), row, "start"))[0]


def test_a_viewer_sees_it_and_presses_nothing():
    make_shop()
    row, viewer = make_draft(), person("viewer")
    shown = page(viewer, row)
    assert 'id="experiment-panel"' in shown and 'id="plan"' not in shown and 'id="submit"' not in shown
    for name in ("plan", "submit", "start", "stop", "keep", "withdraw"):
        assert viewer.post(url(name, row.pk)).status_code == 403
    assert viewer.post(url("promote", row.pk, "dearer")).status_code == 403


def test_a_holdout_is_set_and_said(manager):
    make_shop(categories=10, products=10)
    add = reverse("admin:experiments_holdoutpolicy_add")
    answer = manager.post(add, {"channel": make_channel().pk, "share": 1_000}, follow=True)
    assert "listings are held out" in said(answer)[0]
    assert HoldoutListing.objects.exists() and HoldoutPolicy.objects.get().changed_by == "manager"
    shown = manager.get(reverse("admin:experiments_holdoutpolicy_changelist")).content.decode()
    assert "nothing to compare yet" in shown
    change = reverse("admin:experiments_holdoutpolicy_change", args=[HoldoutPolicy.objects.get().pk])
    manager.post(change, {"share": 0})
    assert not HoldoutListing.objects.filter(until=None).exists()


def test_layers_say_what_runs_on_their_buckets(manager):
    make_shop()
    row = make_draft()
    press(manager, row, "submit")
    press(manager, row, "start")
    shown = manager.get(reverse("admin:experiments_experimentlayer_changelist")).content.decode()
    assert "Five per cent dearer: 0 to 9,999" in shown


def test_who_is_in_which_arm_is_listed_and_found_by_sku(manager):
    make_shop()
    row = make_draft()
    press(manager, row, "submit")
    press(manager, row, "start")
    units = reverse("admin:experiments_experimentunit_changelist")
    assert f"{units}?experiment__id__exact={row.pk}" in page(manager, row)
    shown = manager.get(units, {"experiment__id__exact": row.pk, "q": "C0-00"}).content.decode()
    assert shown.count('class="data-row') <= 1 and "C0-00" in shown and "C1-00" not in shown and "£10.00" in shown
    unit = row.units.first()
    assert (
        "Price at the start"
        in manager.get(reverse("admin:experiments_experimentunit_change", args=[unit.pk])).content.decode()
    )


def test_a_products_page_says_what_holds_its_price(manager):
    first, second = make_shop()[:2]
    row = make_draft()
    press(manager, row, "submit")
    press(manager, row, "start")
    shown = manager.get(reverse("admin:catalog_listing_change", args=[first.pk])).content.decode()
    assert "Experiment spring runs on it (" in shown
    press(manager, row, "stop", reason="x")
    HoldoutListing.objects.create(listing=second, since="2026-01-01T00:00Z")
    shown = manager.get(reverse("admin:catalog_listing_change", args=[second.pk])).content.decode()
    assert "It is held out" in shown
