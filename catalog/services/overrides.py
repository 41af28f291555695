"""Schedule and cancel overrides and promotions: the one way in for page, file and call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from catalog.models import ApiKey, Channel, Listing, PriceOverride
from catalog.models.price_override import OverrideStatus
from catalog.override_requests import FieldError, OverrideRefused, OverrideRequest
from catalog.services.apply_overrides import end_overrides, start_and_end, versions_started
from catalog.services.check_overrides import CheckedOverride, check_overrides
from catalog.services.parking import withdraw_waiting

SCHEDULES = "price_schedules"
"""The Postgres channel on which every change of a schedule is announced."""

ATTEMPTS = 3  # others may take the same times between the check and the insert


@dataclass(frozen=True)
class Scheduled:
    """What became of one request: an override, new or known before, or the errors of its fields."""

    request: OverrideRequest
    override: PriceOverride | None
    is_new: bool
    errors: list[FieldError]


class AlreadyOver(ValueError):
    """An override that has ended or was refused cannot be cancelled."""


def schedule_override(
    *,
    channel: Channel,
    request: OverrideRequest,
    now: datetime,
    author: User | None = None,
    api_key: ApiKey | None = None,
) -> PriceOverride:
    """Schedule one override; without a start it is in force when this returns, unless the gate refuses it.

    Raises:
        OverrideRefused: fields that must be mended first; nothing is written.
    """
    done = schedule_overrides(channel=channel, requests=[request], now=now, author=author, api_key=api_key)[0]
    if done.override is None:
        raise OverrideRefused(done.errors)
    return done.override


def schedule_overrides(
    *,
    channel: Channel,
    requests: Sequence[OverrideRequest],
    now: datetime,
    author: User | None = None,
    api_key: ApiKey | None = None,
) -> list[Scheduled]:
    """Schedule what can be scheduled, in one transaction; return one outcome a request, in their order.

    Those without a start are brought into force in the same transaction. Processes that apply schedules are told.
    """
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _schedule(check_overrides(channel=channel, requests=requests, now=now), now, author, api_key)
        except IntegrityError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def cancel_override(*, override_id: int, now: datetime, who: str) -> PriceOverride:
    """Cancel an override: one to come never starts, one in force ends now and its price reverts.

    One that was cancelled before stays so, without an error.

    Raises:
        PriceOverride.DoesNotExist: there is none of this number.
        AlreadyOver: it has ended or was refused, or its product is not active.
    """
    with transaction.atomic():
        row = PriceOverride.objects.select_for_update().get(pk=override_id)
        if row.status == OverrideStatus.SCHEDULED and versions_started([row]):  # a second person said yes just now
            start_and_end([row], now=now)
        if row.status == OverrideStatus.SCHEDULED:
            row.status, row.ended_at = OverrideStatus.CANCELLED, now
        elif row.status == OverrideStatus.ACTIVE:
            Listing.objects.select_for_update().get(pk=row.listing_id)
            if not end_overrides([row], status=OverrideStatus.CANCELLED, now=now):
                raise AlreadyOver("Its product is not active, so that no price can take its place: activate it first.")
        elif row.status != OverrideStatus.CANCELLED:
            raise AlreadyOver(f"It is {row.get_status_display()}: nothing is left to cancel.")
        withdraw_waiting(decisions={row.listing_id: row.start_key}, now=now)
        if not row.outcome.startswith("cancelled by"):
            row.outcome = "; ".join(part for part in (f"cancelled by {who}", row.outcome) if part)[:300]
        row.save(update_fields=["status", "ended_at", "outcome"])
        announce_schedules()
    return row


def announce_schedules() -> None:
    """Wake the processes that apply schedules, when this transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [SCHEDULES])


def _schedule(
    checked: Sequence[CheckedOverride], now: datetime, author: User | None, api_key: ApiKey | None
) -> list[Scheduled]:
    # In the order of the listings, so that two files that meet do not lock each other out.
    order = sorted(
        (index for index, each in enumerate(checked) if each.existing is None and not each.errors),
        key=lambda index: (checked[index].listing.pk, index),  # type: ignore[union-attr]  # an error otherwise
    )
    new = dict(zip(order, (_row(checked[index], now, author, api_key) for index in order), strict=True))
    PriceOverride.objects.bulk_create(new.values(), batch_size=1_000)
    if new:
        announce_schedules()
    start_and_end([row for row in new.values() if row.starts_at <= now], now=now)
    return [
        Scheduled(each.request, new.get(index, each.existing), index in new, each.errors)
        for index, each in enumerate(checked)
    ]


def _row(checked: CheckedOverride, now: datetime, author: User | None, api_key: ApiKey | None) -> PriceOverride:
    request = checked.request
    return PriceOverride(
        listing=checked.listing,
        kind=request.kind,
        price=request.price,
        period=DateTimeTZRange(request.starts_at or now, request.ends_at, "[)"),
        time_zone=request.time_zone,
        reason=request.reason,
        author=author,
        api_key=api_key,
        idempotency_key=request.idempotency_key,
        created_at=now,
    )
