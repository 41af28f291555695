"""Save and delete guardrail policies, and keep every version of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max

from catalog.models import GuardrailPolicy, GuardrailPolicyVersion

LIMITS = (
    "min_margin",
    "max_change",
    "max_change_per_day",
    "max_changes_per_day",
    "inventory_threshold",
    "currency",
    "floor",
    "ceiling",
    "map_price",
    "competitor_min",
    "competitor_max",
    "price_endings",
)
"""The fields that a version keeps."""

# People save policies, now and then: one at a time, so that versions count without a gap.
ONE_AT_A_TIME = "LOCK TABLE catalog_guardrailpolicyversion IN SHARE ROW EXCLUSIVE MODE"


@transaction.atomic
def save_policy(*, policy: GuardrailPolicy, author: User | None, now: datetime) -> GuardrailPolicyVersion:
    """Store a policy and append what it says as its scope's next version, both or neither.

    A policy that moved to another scope ends in the old one, by a version without limits.
    """
    _wait_for_turn()
    saved = GuardrailPolicy.objects.filter(pk=policy.pk).select_related("category", "product", "channel").first()
    if saved is not None and saved.scope != policy.scope:
        _append(saved.scope, None, note=policy.note, author=author, now=now)
    version = _append(policy.scope, policy_limits(policy), note=policy.note, author=author, now=now)
    policy.version = version.version
    policy.save()
    return version


@transaction.atomic
def delete_policy(*, policy: GuardrailPolicy, author: User | None, now: datetime) -> GuardrailPolicyVersion:
    """Delete a policy and append, as its scope's next version, that nothing is said any more."""
    _wait_for_turn()
    version = _append(policy.scope, None, note=policy.note, author=author, now=now)
    policy.delete()
    return version


def policy_limits(policy: GuardrailPolicy) -> dict[str, Any]:
    """Return what a policy says, JSON-able: amounts and rates as decimal strings without needless zeros."""
    said = {name: getattr(policy, name) for name in LIMITS}
    return {name: f"{value.normalize():f}" if isinstance(value, Decimal) else value for name, value in said.items()}


def _wait_for_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)


def _append(
    scope: str, limits: dict[str, Any] | None, *, note: str, author: User | None, now: datetime
) -> GuardrailPolicyVersion:
    latest = GuardrailPolicyVersion.objects.filter(scope=scope).aggregate(latest=Max("version"))["latest"]
    return GuardrailPolicyVersion.objects.create(
        scope=scope, version=(latest or 0) + 1, limits=limits, note=note, author=author, saved_at=now
    )
