from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import ApiKey, Category, CompetitorPrice, GuardrailPolicy, Listing, PriceChange
from catalog.models.listing import PriceSource
from tests.factories import make_api_key, make_channel, make_listing, publish

pytestmark = pytest.mark.django_db

LISTINGS = "admin:catalog_listing_changelist"
EXPLANATION = {
    "objective": "profit",
    "model": "elasticity-3",
    "inputs": {
        "current_price": {"value": "10.00", "at": "2026-03-01T10:00:00+00:00", "version": 1},
        "unit_cost": {"value": "6", "at": None, "assumed": True},
        "demand": {"value": 40.0, "week": "2026-02-23"},
        "elasticity": {"mean": -2.0, "sd": 0.3, "informed": True, "note": ""},
    },
    "candidate": "12.75",
    "clamps": [{"rule": "max_change", "before": "12.75", "after": "12.00"}],
    "guardrails": {"max_change_bp": {"value": 2000, "scope": "category:mugs"}},
    "expected": {"demand": 27.8, "profit": "166.67", "probability_better": 0.83},
}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(client: Client, name: str, *arguments, **query) -> str:
    response = client.get(reverse(name, args=arguments), query)
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def optimised(price: str = "12.00", **fields) -> Listing:
    listing = make_listing(**fields)
    publish(listing, "10.00", source=PriceSource.LIST_PRICE, now=timezone.now() - timedelta(days=9))
    publish(listing, price, explanation=EXPLANATION, binding_rule="max_change")
    return listing


def test_the_list_says_in_words_why_each_price_is_what_it_is(boss):
    optimised(unit_cost_assumed=True)
    make_listing("UNTOUCHED")
    text = page(boss, LISTINGS)
    assert "Raised to £12.00: profit is highest at £12.75, held back by the maximum change" in text
    assert "The shop&#x27;s list price" in text
    assert "50 %" in text and "assumed" in text


def test_the_page_of_a_price_shows_inputs_clamps_guardrails_and_charts(boss):
    listing = optimised()
    text = page(boss, "admin:catalog_listing_change", listing.pk)
    for part in (
        "The maximum change",
        "category mugs",
        "1 Mar 2026, 10:00",
        "−2.00 ± 0.30",
        "83 %",
        "Expected profit a week by price",
        "Price over time",
        "Model elasticity-3",
    ):
        assert part in text, part


@pytest.mark.parametrize("explanation", [{}, {"inputs": None, "clamps": "?", "candidate": "no number"}])
def test_a_short_or_strange_explanation_does_not_break_the_page(boss, explanation):
    listing = make_listing()
    publish(listing, "11.00", explanation=explanation)
    assert "aised to £11.00 by the optimiser" in page(boss, "admin:catalog_listing_change", listing.pk)


@pytest.mark.parametrize("name", ["catalog_listing", "catalog_pricechange", "catalog_product", "catalog_weeklysales"])
def test_a_list_takes_as_many_queries_for_thirty_rows_as_for_three(boss, name):
    def add(count: int) -> None:
        category = Category.objects.create(code=f"c{count}", name=f"Category {count}")
        for listing in [optimised(category=category) for _ in range(count)]:
            listing.weekly_sales.create(week="2026-03-02", units=3, revenue=30, price=10, orders=2)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(boss, f"admin:{name}_changelist")
        assert not [query for query in captured if "COUNT(" in query["sql"].upper()]
        return len(captured)

    add(3)
    few = queries()
    add(27)
    assert queries() == few


def test_pages_follow_each_other_without_counting(boss):
    for number in range(51):
        make_listing(f"SKU{number:03}")
    first = page(boss, LISTINGS, o="0")
    assert "SKU000" in first and "SKU050" not in first and "p=2" in first
    second = page(boss, LISTINGS, o="0", p="2")
    assert "SKU050" in second and "SKU049" not in second and "p=3" not in second


def test_search_finds_by_the_beginning_of_the_sku_else_by_a_part_of_the_name(boss):
    make_listing("85123A", name="WHITE HANGING HEART")
    make_listing("22752", name="SET 7 BABUSHKA BOXES")
    assert "85123A" in page(boss, LISTINGS, q="8512") and "22752" not in page(boss, LISTINGS, q="8512")
    assert "85123A" in page(boss, LISTINGS, q="85123a")
    assert "22752" in page(boss, LISTINGS, q="babushka") and "85123A" not in page(boss, LISTINGS, q="babushka")
    assert "85123A" not in page(boss, LISTINGS, q="ng")


def test_a_search_that_matches_too_many_says_so(boss, monkeypatch):
    monkeypatch.setattr("catalog.admin.base.MATCHES_AT_MOST", 2)
    for number in range(3):
        make_listing(f"MUG{number}")
    assert "type more of the SKU" in page(boss, LISTINGS, q="MUG")


def test_filters_by_cost_and_source(boss):
    make_listing("GIVEN"), make_listing("UNKNOWN", unit_cost=None), make_listing("MADE-UP", unit_cost_assumed=True)
    assert "UNKNOWN" in page(boss, LISTINGS, cost="unknown") and "GIVEN" not in page(boss, LISTINGS, cost="unknown")
    assert "MADE-UP" in page(boss, LISTINGS, cost="assumed") and "UNKNOWN" not in page(boss, LISTINGS, cost="assumed")
    optimised(sku="OPTIMISED")
    assert "GIVEN" not in page(boss, LISTINGS, source="optimizer")
    assert "OPTIMISED" not in page(boss, LISTINGS, source="list_price")


def test_facts_are_edited_and_the_price_stays_as_the_gate_wrote_it(boss, django_capture_on_commit_callbacks):
    listing = optimised(unit_cost_assumed=True)
    url = reverse("admin:catalog_listing_change", args=[listing.pk])
    with django_capture_on_commit_callbacks(execute=True):
        response = boss.post(
            url, {"list_price": "11", "unit_cost": "6.55", "inventory": "", "price": "1", "price_version": "9"}
        )
    assert response.status_code == 302
    listing.refresh_from_db()
    assert (listing.list_price, listing.unit_cost, listing.inventory) == (Decimal(11), Decimal("6.55"), None)
    assert not listing.unit_cost_assumed and listing.unit_cost_at > timezone.now() - timedelta(minutes=1)
    assert (listing.price, listing.price_version) == (Decimal("12.00"), 2)


def test_a_price_published_while_a_form_was_open_survives_it(boss, monkeypatch):
    listing = optimised()
    from catalog.admin.listings import ListingForm

    clean = ListingForm.clean_list_price

    def publish_meanwhile(form):
        publish(Listing.objects.get(pk=listing.pk), "11.50")
        return clean(form)

    monkeypatch.setattr(ListingForm, "clean_list_price", publish_meanwhile)
    boss.post(reverse("admin:catalog_listing_change", args=[listing.pk]), {"list_price": "13", "unit_cost": "6"})
    listing.refresh_from_db()
    assert (listing.price, listing.list_price, listing.price_version) == (Decimal("11.50"), Decimal(13), 3)


def test_a_new_list_price_goes_through_the_gate_while_nothing_else_is_in_force(boss):
    listing, product = make_listing(), make_listing().product
    form = {"list_price": "12", "unit_cost": "6"}
    boss.post(reverse("admin:catalog_listing_change", args=[listing.pk]), form)
    change = PriceChange.objects.get(listing=listing)
    assert (change.price, change.source, change.author.username) == (Decimal(12), "list_price", "boss")
    other = make_channel("eu", currency="EUR").pk
    boss.post(reverse("admin:catalog_listing_add"), form | {"product": product.pk, "channel": other})
    assert Listing.objects.get(channel=other).price == Decimal(12)


def test_a_list_price_below_the_cost_is_refused_next_to_its_field(boss):
    listing = make_listing()
    form = {"list_price": "5", "unit_cost": "6"}
    response = boss.post(reverse("admin:catalog_listing_change", args=[listing.pk]), form)
    assert "list_price" in response.context["adminform"].form.errors and not PriceChange.objects.exists()


@pytest.mark.parametrize(("field", "value"), [("unit_cost", "0"), ("list_price", "0"), ("list_price", "9.999")])
def test_what_is_no_cost_and_no_price_is_refused_next_to_its_field(boss, field, value):
    listing = make_listing()
    form = {"list_price": "10", "unit_cost": "6", "inventory": "5"} | {field: value}
    response = boss.post(reverse("admin:catalog_listing_change", args=[listing.pk]), form)
    assert field in response.context["adminform"].form.errors


def test_who_may_only_look_cannot_change_facts(client):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_listing"))
    client.force_login(viewer)
    listing = make_listing()
    url = reverse("admin:catalog_listing_change", args=[listing.pk])
    assert b'name="unit_cost"' not in client.get(url).content
    assert client.post(url, {"list_price": "1"}).status_code == 403


def test_nobody_adds_changes_or_deletes_in_the_ledger(boss):
    change = PriceChange.objects.get(listing=optimised(), version=2)
    assert "Raised to £12.00" in page(boss, "admin:catalog_pricechange_change", change.pk)
    assert boss.get(reverse("admin:catalog_pricechange_add")).status_code == 403
    assert boss.post(reverse("admin:catalog_pricechange_change", args=[change.pk]), {"price": "1"}).status_code == 403
    assert boss.post(reverse("admin:catalog_pricechange_delete", args=[change.pk]), {"post": "yes"}).status_code == 403
    response = boss.post(reverse("admin:catalog_pricechange_changelist"), {"action": "delete_selected"})
    assert "delete_selected" not in response.content.decode() and PriceChange.objects.count() == 2


def test_the_ledger_is_filtered_by_source_and_searched_by_sku(boss):
    optimised(sku="85123A")
    publish(make_listing("22752"), "9.00", source=PriceSource.OVERRIDE, reason="Clearance", author=User.objects.get())
    name = "admin:catalog_pricechange_changelist"
    by_person = page(boss, name, source__exact="override")
    assert "Lowered to £9.00 by boss: Clearance" in by_person and "85123A" not in by_person
    assert "22752" not in page(boss, name, q="85123A")


def policy_form(**fields) -> dict[str, str]:
    return {"category": "", "product": "", "channel": "", "note": ""} | fields


def test_a_policy_is_written_in_per_cent(boss):
    add = reverse("admin:catalog_guardrailpolicy_add")
    fields = {"min_margin": "12.5", "max_change": "7 %", "price_endings": "5, 99", "competitor_min": "-10"}
    assert boss.post(add, policy_form(**fields)).status_code == 302
    policy = GuardrailPolicy.objects.get()
    assert (policy.min_margin, policy.max_change) == (Decimal("0.125"), Decimal("0.07"))
    assert (policy.competitor_min, policy.price_endings) == (Decimal("-0.1"), ["5", "99"])
    text = page(boss, "admin:catalog_guardrailpolicy_change", policy.pk)
    assert 'value="12.5"' in text and 'value="5, 99"' in text


@pytest.mark.parametrize(("typed", "stored"), [("", None), ("any", [])])
def test_no_endings_and_any_ending_are_two_things(boss, typed, stored):
    boss.post(reverse("admin:catalog_guardrailpolicy_add"), policy_form(price_endings=typed))
    assert GuardrailPolicy.objects.get().price_endings == stored


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"min_margin": "96"}, "min_margin"),
        ({"max_change": "-1"}, "max_change"),
        ({"price_endings": "123"}, "price_endings"),
        ({"floor": "9", "ceiling": "8", "currency": "GBP"}, "floor"),
        ({"floor": "0", "currency": "GBP"}, "floor"),
        ({"floor": "9"}, "currency"),
        ({"competitor_min": "5", "competitor_max": "-5"}, "competitor_min"),
    ],
)
def test_an_error_stands_next_to_its_field(boss, fields, wrong):
    response = boss.post(reverse("admin:catalog_guardrailpolicy_add"), policy_form(**fields))
    assert list(response.context["adminform"].form.errors) == [wrong]


def test_two_scopes_are_refused_next_to_both(boss):
    listing = make_listing()
    fields = {"product": listing.product_id, "channel": listing.channel_id}
    response = boss.post(reverse("admin:catalog_guardrailpolicy_add"), policy_form(**fields))
    assert list(response.context["adminform"].form.errors) == ["product", "channel"]


def test_a_second_policy_for_a_scope_is_refused_next_to_it(boss):
    channel = make_channel()
    GuardrailPolicy.objects.create(channel=channel)
    GuardrailPolicy.objects.create()
    add = reverse("admin:catalog_guardrailpolicy_add")
    for fields, wrong in (({"channel": channel.pk}, "channel"), ({}, "category")):
        errors = boss.post(add, policy_form(**fields)).context["adminform"].form.errors
        assert list(errors) == [wrong] and "already" in str(errors)


def test_an_api_key_is_shown_once_and_works_until_it_is_revoked(boss):
    response = boss.post(reverse("admin:catalog_apikey_add"), {"name": "storefront", "scopes": ["prices:read"]})
    key = ApiKey.objects.get()
    text = response.content.decode().split('id="issued-key"')[1].split(">")[1].split("<")[0]
    assert ApiKey.digest_of(text) == key.digest and "no-store" in response["Cache-Control"]
    listed = page(boss, "admin:catalog_apikey_changelist") + page(boss, "admin:catalog_apikey_change", key.pk)
    assert key.prefix in listed and text not in listed and key.digest not in listed
    boss.post(reverse("admin:catalog_apikey_changelist"), {"action": "revoke_keys", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_at


def test_a_key_is_revoked_on_its_own_page_by_post_only(boss):
    make_api_key()
    key = ApiKey.objects.get()
    url = reverse("admin:catalog_apikey_change", args=[key.pk])
    assert "Revoke this key" in boss.get(url).content.decode()
    boss.post(url, {"name": key.name, "catalog_apikey_revoke_key": "1"})
    key.refresh_from_db()
    assert key.revoked_at and "Revoke this key" not in boss.get(url).content.decode()


def test_a_competitors_offer_names_its_listing_by_sku(boss):
    listing = make_listing("85123A")
    add = reverse("admin:catalog_competitorprice_add")
    form = {"sku": "85123A", "channel": listing.channel_id, "competitor": "Rival", "price": "9.95"}
    assert boss.post(add, form).status_code == 302
    assert CompetitorPrice.objects.get().listing == listing
    assert "sku" in boss.post(add, form | {"sku": "NONE"}).context["adminform"].form.errors
    assert "competitor" in boss.post(add, form).context["adminform"].form.errors


def test_every_admin_page_opens(boss):
    optimised()
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert boss.get(reverse(f"{name}_changelist")).status_code == 200, model
        wanted = 200 if model_admin.has_add_permission(boss.get(reverse("admin:index")).wsgi_request) else 403
        assert boss.get(reverse(f"{name}_add")).status_code == wanted, model
