"""Saving a policy keeps what it said before, for ever."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.models import Category, GuardrailPolicy, GuardrailPolicyVersion, Listing
from catalog.selectors.pricing_facts import pricing_facts
from catalog.services.policies import LIMITS, delete_policy, save_policy
from tests.factories import make_listing

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def save(policy, author=None):
    return save_policy(policy=policy, author=author, now=NOW)


def test_every_save_appends_a_version_and_the_policy_knows_it():
    boss = User.objects.create_user("boss")
    policy = GuardrailPolicy(min_margin=Decimal("0.1500"), price_endings=["99"], note="Season")
    save(policy, boss)
    policy.min_margin, policy.note = Decimal("0.2"), "After it"
    save(policy, boss)
    first, second = GuardrailPolicyVersion.objects.order_by("version")
    assert (first.scope, first.version, first.author, first.saved_at, first.note) == ("global", 1, boss, NOW, "Season")
    assert first.limits["min_margin"] == "0.15" and first.limits["price_endings"] == ["99"]
    assert second.limits == first.limits | {"min_margin": "0.2"}
    policy.refresh_from_db()
    assert (policy.version, policy.min_margin) == (2, Decimal("0.2"))


def test_a_version_keeps_every_limit_that_a_policy_has():
    others = {"id", "category", "product", "channel", "note", "version"}
    assert set(LIMITS) == {field.name for field in GuardrailPolicy._meta.fields} - others


def test_versions_count_within_a_scope_and_outlive_the_policy():
    mugs = Category.objects.create(code="mugs", name="Mugs")
    save(GuardrailPolicy(min_margin=Decimal("0.1")))
    policy = GuardrailPolicy(category=mugs, min_margin=Decimal("0.1"))
    save(policy)
    delete_policy(policy=policy, author=None, now=NOW)
    save(GuardrailPolicy(category=mugs, min_margin=Decimal("0.3")))
    kept = GuardrailPolicyVersion.objects.filter(scope="category:mugs").order_by("version")
    assert [(each.version, each.limits and each.limits["min_margin"]) for each in kept] == [
        (1, "0.1"),
        (2, None),
        (3, "0.3"),
    ]
    assert GuardrailPolicy.objects.get(category=mugs).version == 3


def test_a_policy_that_moves_to_another_scope_ends_in_the_old_one():
    policy = GuardrailPolicy(min_margin=Decimal("0.1"))
    save(policy)
    policy.category = Category.objects.create(code="mugs", name="Mugs")
    save(policy)
    kept = GuardrailPolicyVersion.objects.order_by("pk")
    assert [(each.scope, each.version, each.limits is None) for each in kept] == [
        ("global", 1, False),
        ("global", 2, True),
        ("category:mugs", 1, False),
    ]


def test_a_save_that_fails_leaves_no_version():
    save(GuardrailPolicy(min_margin=Decimal("0.1")))
    with pytest.raises(IntegrityError, match="policy_once_per_scope"), transaction.atomic():
        save(GuardrailPolicy(min_margin=Decimal("0.2")))
    assert GuardrailPolicyVersion.objects.count() == 1


@pytest.mark.parametrize(
    "statement",
    ["UPDATE catalog_guardrailpolicyversion SET note = 'x'", "DELETE FROM catalog_guardrailpolicyversion"],
)
def test_versions_are_append_only(statement):
    save(GuardrailPolicy(min_margin=Decimal("0.1")))
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_limits_in_force_name_the_version_that_set_them():
    listing = make_listing()
    save(GuardrailPolicy(min_margin=Decimal("0.1")))
    GuardrailPolicy.objects.create(product=listing.product, max_change=Decimal("0.3"))  # no version was kept
    facts = pricing_facts(channel=listing.channel, listings=Listing.objects.select_related("product"), now=NOW)
    limits = facts.limits_in_force(0)
    assert limits["min_margin_bp"] == {"value": 1000, "scope": "global", "policy_version": 1}
    assert limits["max_change_bp"] == {"value": 3000, "scope": f"product:{listing.product.sku}"}
    assert limits["inventory_threshold"] == {"value": 50, "scope": "default"}
