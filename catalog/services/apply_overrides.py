"""Start and end overrides and promotions: each step is one transaction with the ledger row that it writes."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from catalog.gate import Proposal, checked_prices, publish_prices
from catalog.models import Channel, Listing, PriceChange, PriceOverride
from catalog.models.listing import HELD_SOURCES, PriceSource
from catalog.models.price_override import OverrideKind, OverrideStatus
from catalog.plain_words import refusal_words
from catalog.selectors.overrides import due_overrides
from catalog.services.parking import withdraw_waiting

logger = logging.getLogger(__name__)

BATCH = 500
MISSED = "missed"
NOT_A_REDUCTION = "not_a_reduction"
WRITTEN = (
    "status", "refused_because", "outcome", "started_at", "ended_at", "published_version", "replaced_price",
    "replaced_source",
)  # fmt: skip
# bulk_update made the starts of 5,000 rows take 24 s; this makes them take 6 s (2 cores).
SAVE_SQL = """
UPDATE catalog_priceoverride saved
   SET status = moved.status, refused_because = moved.refused_because, outcome = moved.outcome,
       started_at = moved.started_at, ended_at = moved.ended_at, published_version = moved.published_version,
       replaced_price = moved.replaced_price, replaced_source = moved.replaced_source
  FROM unnest(
       %s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[],
       %s::numeric[], %s::text[]
  ) moved(
       id, status, refused_because, outcome, started_at, ended_at, published_version, replaced_price, replaced_source
  )
 WHERE saved.id = moved.id
"""


@dataclass
class Applied:
    """How many overrides started, ended and were refused, and how many failed and are still due."""

    started: int = 0
    ended: int = 0
    refused: int = 0
    failed: int = 0

    def __bool__(self) -> bool:
        return bool(self.started or self.ended or self.refused)

    def count(self, rows: Sequence[PriceOverride]) -> None:
        for row in rows:
            self.started += row.status == OverrideStatus.ACTIVE
            self.ended += row.status in {OverrideStatus.ENDED, OverrideStatus.CANCELLED}
            self.refused += row.status == OverrideStatus.REFUSED


def apply_due_overrides(*, now: datetime) -> Applied:
    """Start and end what is due, in listing order; safe to call at any time, from any number of processes.

    Rows that another process works on are left to it. A batch that fails is taken again listing by listing, so that
    one bad row holds up no other. Raises the database's own errors where it does not answer.
    """
    applied, limit, failed = Applied(), BATCH, set[int]()
    while True:
        batch: list[PriceOverride] = []
        try:
            with transaction.atomic():
                due = due_overrides(now=now).exclude(listing_id__in=failed)
                batch += due.select_for_update(of=("self",), skip_locked=True)[:limit]
                done = start_and_end(batch, now=now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            if not batch:  # not even read: no row is to blame
                raise
            logger.exception("Overrides %s could not be applied", [row.pk for row in batch])
            if limit == 1:
                failed |= {row.listing_id for row in batch}
            limit = 1
            continue
        applied.count(done)
        if not done:
            applied.failed = len(failed)
            return applied


def start_and_end(rows: Sequence[PriceOverride], *, now: datetime) -> list[PriceOverride]:
    """Bring locked rows that are due to their next state; return those that moved. Call it in a transaction.

    Locks the listings in primary-key order, as the gate does. Ends come first: where one override follows another, the
    second replaces the price before the first.
    """
    list(Listing.objects.filter(pk__in={row.listing_id for row in rows}).select_for_update().order_by("pk"))
    ending = [row for row in rows if row.status == OverrideStatus.ACTIVE]
    starting = [row for row in rows if row.status == OverrideStatus.SCHEDULED]
    published = versions_started(starting)
    missed = [row for row in starting if row.ends_at is not None and row.ends_at <= now and row.pk not in published]
    withdraw_waiting(decisions={row.listing_id: row.start_key for row in missed}, now=now)
    for row in missed:
        row.status, row.refused_because, row.ended_at = OverrideStatus.REFUSED, MISSED, now
    _save(missed)
    moved = missed + end_overrides(ending, status=OverrideStatus.ENDED, now=now)
    return moved + _start([row for row in starting if row not in missed], now)


def _start(rows: Sequence[PriceOverride], now: datetime) -> list[PriceOverride]:
    ids = {row.listing_id for row in rows}
    # Another process may be about to end the override before: this one waits for it.
    in_force = PriceOverride.objects.filter(listing_id__in=ids, status=OverrideStatus.ACTIVE)
    busy = set(in_force.values_list("listing_id", flat=True))
    rows = [row for row in rows if row.listing_id not in busy]
    listings = _listings(rows)
    groups: dict[Any, list[PriceOverride]] = defaultdict(list)
    published = versions_started(rows)
    for row in rows:
        listing = listings[row.listing_id]
        if row.pk in published:  # a second person said yes, after the price that it replaces was noted
            groups[listing.channel, row.kind, row.author, row.reason].append(row)
            continue
        row.replaced_price = listing.price_in_force
        row.replaced_source = listing.price_source or PriceSource.LIST_PRICE
        if row.kind == OverrideKind.PROMOTION and row.price >= row.replaced_price:
            _refuse(row, NOT_A_REDUCTION, now)
        else:
            groups[listing.channel, row.kind, row.author, row.reason].append(row)
    waiting: set[PriceOverride] = set()
    for (channel, kind, author, reason), group in groups.items():
        report = publish_prices(
            channel=channel,
            proposals=[_proposal(row, row.price, "start") for row in group],
            source=OverrideKind(kind).source,
            now=now,
            author=author,
            reason=reason,
        )
        waiting |= {row for row in group if row.listing_id in report.waiting}
        for row in group:
            if row.listing_id in report.refused:
                _refuse(row, report.refused[row.listing_id], now)
    started = [row for row in rows if row.status == OverrideStatus.SCHEDULED and row not in waiting]
    listings, published = _listings(started), versions_started(started)
    for row in started:
        row.status, row.started_at = OverrideStatus.ACTIVE, now
        row.published_version = published.get(row.pk, listings[row.listing_id].price_version)
    _save(rows)
    return [row for row in rows if row not in waiting]


def versions_started(rows: Sequence[PriceOverride]) -> dict[int, int]:
    """Return the ledger's version of those whose price was published, by the override's key."""
    keys = {(row.listing_id, row.start_key): row.pk for row in rows}
    found = PriceChange.objects.filter(
        listing__in={row.listing_id for row in rows}, idempotency_key__in={row.start_key for row in rows}
    )
    return {
        keys[listing, key]: version
        for listing, key, version in found.values_list("listing_id", "idempotency_key", "version")
        if (listing, key) in keys
    }


def _refuse(row: PriceOverride, reason: str, now: datetime) -> None:
    row.status, row.refused_because, row.ended_at = OverrideStatus.REFUSED, reason, now


@dataclass(frozen=True)
class _Return:
    """A price to go back to, and the ledger's words for it."""

    price: Decimal
    source: PriceSource
    words: str


def end_overrides(rows: Sequence[PriceOverride], *, status: OverrideStatus, now: datetime) -> list[PriceOverride]:
    """End active rows, locked with their listings; return those that ended. Call it in a transaction.

    The price goes back to the one that was replaced; where the gate refuses that one today, to the list price; where
    it refuses this too, to the lowest price that it admits. A price that somebody published meanwhile stays. The row
    of a product that is not active stays as it is.
    """
    listings = _listings(rows)
    waiting = {row: _returns(row, listings[row.listing_id], now) for row in rows}
    refused_before: dict[PriceOverride, str] = {}
    ended: list[PriceOverride] = []
    while waiting:
        groups: dict[Any, list[tuple[PriceOverride, _Return]]] = defaultdict(list)
        for row, returns in list(waiting.items()):
            target = next(returns, None)
            if target is None:
                _end(row, status, f"no price could take its place, {refusal_words(refused_before[row])}: it stays", now)
                ended.append(row)
                del waiting[row]
                continue
            why = f" (not to the one before: {refusal_words(refused_before[row])})" if row in refused_before else ""
            words = f"the {row.kind} ended: back to {target.words}{why}"
            groups[listings[row.listing_id].channel, target.source, words].append((row, target))
        for (channel, source, words), group in groups.items():
            report = publish_prices(
                channel=channel,
                proposals=[
                    _proposal(row, target.price, "end", expected_version=row.published_version) for row, target in group
                ],
                source=source,
                now=now,
                reason=words,
                is_return=True,
            )
            for row, _ in group:
                refusal = report.refused.get(row.listing_id)
                if refusal == "inactive":
                    del waiting[row]
                elif refusal in {None, "price_changed_meanwhile"}:
                    _end(row, status, "another price came into force meanwhile: it stays" if refusal else words, now)
                    ended.append(row)
                    del waiting[row]
                else:
                    refused_before[row] = str(refusal)
    _save(ended)
    return ended


def _returns(row: PriceOverride, listing: Listing, now: datetime) -> Iterator[_Return]:
    assert row.replaced_price is not None
    if row.replaced_source in HELD_SOURCES:
        yield _Return(row.replaced_price, PriceSource(row.replaced_source), "the price before")
    elif row.replaced_source != PriceSource.LIST_PRICE:
        yield _Return(row.replaced_price, PriceSource.ROLLBACK, "the price before")
    yield _Return(listing.list_price, PriceSource.LIST_PRICE, "the list price")
    prices = {listing.pk: listing.list_price}
    floor = checked_prices(channel=listing.channel, prices=prices, source=PriceSource.ROLLBACK, now=now).floors
    if (lowest := floor[listing.pk]) is not None:
        yield _Return(lowest, PriceSource.ROLLBACK, "the lowest price that the guardrails admit")


def _end(row: PriceOverride, status: OverrideStatus, outcome: str, now: datetime) -> None:
    row.status, row.outcome, row.ended_at = status, outcome, now


def _proposal(row: PriceOverride, price: Decimal, step: str, *, expected_version: int | None = None) -> Proposal:
    return Proposal(
        listing_id=row.listing_id,
        price=price,
        idempotency_key=f"override:{row.pk}:{step}",
        expected_version=expected_version,
        explanation={"override": row.pk, "kind": row.kind, "step": step},
    )


def _listings(rows: Sequence[PriceOverride]) -> dict[int, Listing]:
    channels = {channel.pk: channel for channel in Channel.objects.all()}
    found = {row.pk: row for row in Listing.objects.filter(pk__in={row.listing_id for row in rows})}
    for listing in found.values():
        listing.channel = channels[listing.channel_id]
    return found


def _save(rows: Sequence[PriceOverride]) -> None:
    columns = [[getattr(row, name) for row in rows] for name in ("pk", *WRITTEN)]
    with connection.cursor() as cursor:
        cursor.execute(SAVE_SQL, columns)
