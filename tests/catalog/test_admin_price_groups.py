from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from catalog.models import PriceGroup, PriceGroupMember
from tests.factories import make_listing

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def posted(boss, kind, *members):
    form = {
        "name": "Mugs",
        "kind": kind,
        "channel": "",
        "members-TOTAL_FORMS": len(members),
        "members-INITIAL_FORMS": 0,
    }
    for index, member in enumerate(members):
        form |= {f"members-{index}-{name}": value for name, value in member.items()}
    return boss.post(reverse("admin:catalog_pricegroup_add"), form)


def test_a_group_is_stored_with_its_members(boss):
    small, large = make_listing().product, make_listing().product
    response = posted(boss, "size_ladder", {"product": small.pk, "pack_size": 1}, {"product": large.pk, "pack_size": 6})
    assert response.status_code == 302
    assert set(PriceGroupMember.objects.values_list("kind", "pack_size")) == {("size_ladder", 1), ("size_ladder", 6)}


@pytest.mark.parametrize(
    ("kind", "member", "cure"),
    [
        ("size_ladder", {}, "every member needs one above zero"),
        ("quality_ladder", {}, "every member needs one"),
        ("family", {"position": 1}, "A position is for quality ladders"),
        ("quality_ladder", {"position": 1, "step_amount": 1, "step_fraction": "0.1"}, "not as both"),
    ],
)
def test_a_member_without_its_place_is_refused_with_the_cure(boss, kind, member, cure):
    response = posted(boss, kind, {"product": make_listing().product.pk} | member)
    assert response.status_code == 200 and cure in response.content.decode()
    assert not PriceGroup.objects.exists()


def test_the_list_says_which_pair_is_broken(boss):
    group = PriceGroup.objects.create(kind="family", name="Mugs")
    for sku, price in (("A1", "10.00"), ("A2", "10.50")):
        listing = make_listing(sku, list_price=Decimal(price))
        PriceGroupMember.objects.create(group=group, kind="family", product=listing.product)
    PriceGroup.objects.create(kind="family", name="Empty")
    text = boss.get(reverse("admin:catalog_pricegroup_changelist")).content.decode()
    assert "Broken: A1 and A2 in web by £0.50" in text
    page = boss.get(reverse("admin:catalog_pricegroup_change", args=[group.pk]))
    assert page.status_code == 200
