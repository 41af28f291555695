"""What rolling back a run would do, and what it did."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet

from catalog.gate import checked_prices
from catalog.models import PriceChange, RolledBackPrice, RunRollback
from catalog.models.listing import PriceSource

CHECKED_AT_MOST = 2_000
"""Prices that a preview hands to the gate's check: some 50 ms; the rollback itself checks all."""
SHOWN_AT_MOST = 20


def changes_of_run(*, run_id: UUID) -> QuerySet[PriceChange]:
    """Ledger rows of a run that changed a price, one a listing, each with its listing; without explanations."""
    rows = PriceChange.objects.filter(run_id=run_id, previous_price__isnull=False).exclude(price=F("previous_price"))
    return rows.select_related("listing__product", "listing__channel").defer("explanation").order_by("pk")


def rollback_of(*, run_id: UUID) -> RunRollback | None:
    return RunRollback.objects.select_related("author").filter(run_id=run_id).first()


def rolled_back_prices(*, rollback: RunRollback, outcome: str | None = None) -> QuerySet[RolledBackPrice]:
    """What became of each price of the run, in primary-key order; of one outcome or of all."""
    rows = RolledBackPrice.objects.filter(rollback=rollback).select_related("listing__product", "listing__channel")
    return rows.filter(outcome=outcome) if outcome else rows


@dataclass(frozen=True)
class RollbackPreview:
    """What a rollback would do now. Refusals are known for the first ``checked`` prices only."""

    in_force: int
    changed_since: int
    checked: int
    coming_back: list[PriceChange]
    left: list[PriceChange]
    refused: list[tuple[PriceChange, str]]

    @property
    def published(self) -> int:
        return self.in_force + self.changed_since


def rollback_preview(*, run_id: UUID, now: datetime) -> RollbackPreview:
    """Return how many prices would come back, and some of those that would and would not."""
    changes = changes_of_run(run_id=run_id)
    in_force = changes.filter(listing__price_version=F("version"))
    left = changes.exclude(listing__price_version=F("version"))
    checked = list(in_force[:CHECKED_AT_MOST])
    refused = _refusals(checked, now)
    return RollbackPreview(
        in_force=in_force.count(),
        changed_since=left.count(),
        checked=len(checked),
        coming_back=[row for row in checked if row.listing_id not in refused][:SHOWN_AT_MOST],
        left=list(left[:SHOWN_AT_MOST]),
        refused=[(row, refused[row.listing_id]) for row in checked if row.listing_id in refused],
    )


def _refusals(changes: list[PriceChange], now: datetime) -> dict[int, str]:
    if not changes:
        return {}
    prices = {change.listing_id: change.previous_price for change in changes if change.previous_price is not None}
    channel = changes[0].listing.channel
    return checked_prices(channel=channel, prices=prices, source=PriceSource.ROLLBACK, now=now).refused
