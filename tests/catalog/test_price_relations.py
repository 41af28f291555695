"""What the database holds of groups of related products."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from catalog.models import PriceGroup, PriceGroupMember
from tests.factories import make_listing

pytestmark = pytest.mark.django_db


def make_group(kind="size_ladder", **fields):
    return PriceGroup.objects.create(kind=kind, name=f"group {PriceGroup.objects.count()}", **fields)


def join(group, product=None, **fields):
    product = product or make_listing().product
    return PriceGroupMember.objects.create(**{"group": group, "kind": group.kind, "product": product} | fields)


def refuses(constraint, group, **fields):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        join(group, **fields)


def test_a_product_is_in_one_group_of_a_kind_and_may_be_in_groups_of_two_kinds():
    member = join(make_group(), pack_size=6)
    refuses("one_price_group_of_a_kind", make_group(), product=member.product, pack_size=1)
    assert join(make_group("family"), product=member.product).pk


def test_ladders_need_a_place_for_every_member_and_families_none():
    size, quality, family = make_group(), make_group("quality_ladder"), make_group("family")
    refuses("price_group_pack_size_of_size", size)
    refuses("price_group_pack_size_of_size", size, pack_size=0)
    refuses("price_group_position_of_quality", quality)
    refuses("price_group_position_of_quality", family, position=1)
    refuses("price_group_step_of_quality", size, pack_size=1, step_amount=1)


def test_two_members_do_not_share_a_place():
    size, quality = make_group(), make_group("quality_ladder")
    join(size, pack_size=Decimal("0.5"))
    refuses("price_group_pack_size_once", size, pack_size=Decimal("0.5"))
    join(quality, position=1, step_fraction=Decimal("0.1"))
    refuses("price_group_position_once", quality, position=1)
    refuses("price_group_one_step", quality, position=2, step_amount=1, step_fraction=Decimal("0.1"))
    refuses("price_group_step_sane", quality, position=2, step_amount=-1)


def test_a_members_kind_is_its_groups():
    with pytest.raises(IntegrityError, match="price_group_member_kind"), transaction.atomic():
        join(make_group("family"), kind="size_ladder", pack_size=1)
        connection.check_constraints()
