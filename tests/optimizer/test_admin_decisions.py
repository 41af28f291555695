from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from catalog.models import ApprovalPolicy, Listing
from catalog.services.kill_switches import flip_kill_switch
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def home(client) -> str:
    return client.get(reverse("admin:index")).content.decode()


def test_nothing_waits_where_all_is_well(boss):
    make_listing()
    assert "Nothing waits for you." in home(boss)


def test_a_price_below_its_new_cost_is_shown_first_and_found_by_its_link(boss):
    cheap, fine = make_listing("CHEAP"), make_listing("FINE")
    publish(cheap, "10.00"), publish(fine, "10.00")
    Listing.objects.filter(pk=cheap.pk).update(unit_cost=Decimal("10.01"))
    make_listing("NO-COST", unit_cost=None)
    make_listing("GONE", unit_cost=None, is_active=False)
    text = home(boss)
    assert text.index("Sold below cost") < text.index("Without a cost")
    found = boss.get(reverse("admin:catalog_listing_changelist"), {"attention": "below_cost"}).content.decode()
    assert "CHEAP" in found and "FINE" not in found
    found = boss.get(reverse("admin:catalog_listing_changelist"), {"attention": "cost_unknown"}).content.decode()
    assert "NO-COST" in found and "GONE" not in found


def test_a_list_price_below_cost_counts_while_nothing_was_published(boss):
    make_listing("LIST", list_price=Decimal("5.00"), unit_cost=Decimal("6.00"))
    assert "Sold below cost" in home(boss)


def test_waiting_prices_and_kill_switches_come_first(boss):
    ApprovalPolicy.objects.create(max_change=Decimal("0.1"))
    publish(make_listing(), "12.00")
    make_listing("NO-COST", unit_cost=None)
    user = User.objects.get(username="boss")
    flip_kill_switch(reason="Feed broken", through="admin", by=user, now=timezone.now())
    text = home(boss)
    places = [text.index(title) for title in ("Kill switches on", "Prices to approve", "Without a cost")]
    assert places == sorted(places)
    assert boss.get(reverse("admin:catalog_priceapproval_changelist"), {"status__exact": "waiting"}).status_code == 200
