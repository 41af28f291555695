"""What all lists and forms of the admin share: pages, counts, names, amounts; and who may read purges."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.admin.base import PlainDecimalField
from catalog.admin.paginator import approximate_count
from catalog.models import LedgerPurge, Listing
from catalog.models.listing import PriceSource
from catalog.selectors.attention import BELOW_COST, COST_UNKNOWN
from pricing_site.roles import set_up_roles
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def test_few_rows_are_counted_exactly():
    make_listing()
    assert approximate_count("catalog_listing") == (1, False)


def test_many_rows_are_estimated_over_all_partitions(monkeypatch):
    monkeypatch.setattr("catalog.admin.paginator.EXACT_UP_TO", 2)
    for _ in range(3):
        publish(make_listing(), "10.50")
    assert approximate_count("catalog_pricechange") == (None, True)
    with connection.cursor() as cursor:  # as autovacuum does: the partitions, not the table above them
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('catalog_pricechange') WHERE isleaf")
        for (partition,) in cursor.fetchall():
            cursor.execute(f"ANALYZE {partition}")
    assert approximate_count("catalog_pricechange") == (3, True)


def test_pages_end_before_they_are_slow_and_say_so(boss, monkeypatch):
    monkeypatch.setattr("catalog.admin.paginator.DEEPEST_PAGE", 2)
    monkeypatch.setattr("catalog.admin.base.PricingModelAdmin.list_per_page", 1)
    for _ in range(3):
        make_listing()
    url = reverse("admin:catalog_listing_changelist")
    first, second = (boss.get(url, {"p": page}).content.decode() for page in (1, 2))
    assert 'rel="next"' in first and "There are more rows" not in first
    assert 'rel="next"' not in second and "There are more rows: search or filter" in second
    assert boss.get(url, {"p": 3}).status_code == 302


def test_pages_are_named_as_people_call_them(boss):
    for model, name in {"listing": "Products and prices", "pricegroup": "Families and ladders"}.items():
        text = boss.get(reverse(f"admin:catalog_{model}_changelist")).content.decode()
        assert f"{name} | Dynamic pricing" in " ".join(text.split()) and "to change |" not in text


def test_forms_show_amounts_without_needless_decimals(boss):
    assert [
        PlainDecimalField(decimal_places=places).prepare_value(Decimal(amount))
        for places, amount in [
            (4, "0.3800"),
            (4, "100.0000"),
            (4, "0.0125"),
            (3, "4.000"),
            (3, "100.000"),
            (3, "0.500"),
        ]
    ] == ["0.38", "100.00", "0.0125", "4", "100", "0.5"]
    listing = make_listing(unit_cost=Decimal("0.0125"))
    text = boss.get(reverse("admin:catalog_listing_change", args=[listing.pk])).content.decode()
    assert 'value="0.0125"' in text and 'value="10.00"' in text


def test_a_manager_reads_purges_and_an_analyst_does_not(client):
    LedgerPurge.objects.create(
        made_at=timezone.now(),
        made_by="root",
        cut_off=timezone.now(),
        first_listing=1,
        last_listing=9,
        rows=14_203,
        digest="5f" * 32,
    )
    set_up_roles()
    for role, status in {"analyst": 403, "manager": 200}.items():
        user = User.objects.create_user(role, is_staff=True)
        user.groups.set([Group.objects.get(name=role)])
        client.force_login(user)
        response = client.get(reverse("admin:catalog_ledgerpurge_changelist"))
        assert response.status_code == status
    assert "14,203" in response.content.decode() and "Purges of old prices" in response.content.decode()
    assert client.get(reverse("admin:catalog_ledgerpurge_add")).status_code == 403


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (Listing.objects.filter(BELOW_COST), "listing_in_need"),
        (Listing.objects.filter(COST_UNKNOWN), "listing_in_need"),
        (Listing.objects.filter(price_source=PriceSource.OVERRIDE), "listing_rare_source"),
    ],
)
def test_the_few_among_a_million_are_found_through_their_index(rows, index):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert index in rows.explain()
