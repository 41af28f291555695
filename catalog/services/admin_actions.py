"""Keep a record of what people do in the admin."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User

from catalog.models import AdminAction

KEYS_KEPT = 1_000
PATH_KEPT = AdminAction._meta.get_field("path").max_length
ACTION_KEPT = AdminAction._meta.get_field("action").max_length


def begin_admin_action(
    *, user: User | None, method: str, path: str, action: str, selected: Sequence[str], now: datetime
) -> int:
    """Store that a person asked for something, before it is done; return the key to end it by."""
    row = AdminAction.objects.create(
        at=now,
        user=user,
        method=method,
        path=path[:PATH_KEPT],
        action=action[:ACTION_KEPT],
        selected=list(selected[:KEYS_KEPT]),
    )
    return row.pk


def end_admin_action(*, pk: int, status: int) -> None:
    """Store how it was answered, once."""
    AdminAction.objects.filter(pk=pk, status=None).update(status=status)
