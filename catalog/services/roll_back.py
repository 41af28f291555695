"""Roll a run back: the prices that it changed and that are still in force make way for those before them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from catalog.gate import Proposal, PublishReport, publish_prices
from catalog.models import PriceChange, RolledBackPrice, RunRollback
from catalog.models.listing import PriceSource
from catalog.selectors.rollbacks import changes_of_run
from catalog.services.rollback_check import wait_for_publishers

MAX_REASON = 300
INSERT_BATCH = 5_000

Outcome = RolledBackPrice.Outcome


class CannotRollBack(ValueError):
    """The rollback was not done; ``field`` names what is wrong with it and the message the cure."""

    def __init__(self, message: str, field: str = "run_id") -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def roll_back_run(*, run_id: UUID, author: User | None, reason: str, now: datetime) -> RunRollback:
    """Give every listing whose price in force is still the run's its prior price back, through the gate; once.

    Prices that changed since are left, and prior prices that would break a hard rule today are refused; both are listed
    in `RolledBackPrice`. A second call returns the first one's rollback and does nothing. One transaction, in which the
    row of the rollback is written first: two callers at once wait for each other. What is left of a run under way is
    refused from then on.

    Raises:
        CannotRollBack: no reason or too long a one; the run changed no price.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON:
        raise CannotRollBack(f"reason: give 1 to {MAX_REASON} characters that say why", "reason")
    rollback, is_new = RunRollback.objects.get_or_create(
        run_id=run_id, defaults={"author": author, "reason": reason, "rolled_back_at": now}
    )
    if not is_new:
        return rollback
    wait_for_publishers(run_id)
    changes = list(changes_of_run(run_id=run_id))
    if not changes:
        raise CannotRollBack(f"run {run_id} changed no price: there is nothing to roll back")
    _record(rollback, changes, _restore(rollback, changes, now))
    return rollback


def _restore(rollback: RunRollback, changes: list[PriceChange], now: datetime) -> PublishReport:
    in_force = [change for change in changes if change.listing.price_version == change.version]
    return publish_prices(
        channel=changes[0].listing.channel,
        proposals=[_proposal(rollback, change) for change in in_force],
        source=PriceSource.ROLLBACK,
        now=now,
        author=rollback.author,
        reason=rollback.reason,
        is_return=True,
    )


def _proposal(rollback: RunRollback, change: PriceChange) -> Proposal:
    assert change.previous_price is not None  # changes_of_run leaves out rows without one
    return Proposal(
        listing_id=change.listing_id,
        price=change.previous_price,
        idempotency_key=f"rollback:{rollback.run_id}",
        expected_version=change.version,
        explanation={"rollback": _explanation(rollback, change)},
    )


def _explanation(rollback: RunRollback, change: PriceChange) -> dict[str, Any]:
    return {
        "run_id": str(rollback.run_id),
        "replaced_version": change.version,
        "restored_version": change.version - 1,
    }


def _record(rollback: RunRollback, changes: list[PriceChange], report: PublishReport) -> None:
    """Write down what became of each price of the run, and the counts."""
    restored = {*report.published, *report.already_published}
    rows = []
    for change in changes:
        assert change.previous_price is not None  # as above
        outcome, reason = _outcome(change.listing_id, restored, report.refused)
        rows.append(
            RolledBackPrice(
                rollback=rollback,
                listing_id=change.listing_id,
                outcome=outcome,
                reason=reason,
                run_price=change.price,
                prior_price=change.previous_price,
            )
        )
    RolledBackPrice.objects.bulk_create(rows, batch_size=INSERT_BATCH)
    outcomes = [row.outcome for row in rows]
    rollback.restored = outcomes.count(Outcome.RESTORED)
    rollback.changed_since = outcomes.count(Outcome.CHANGED_SINCE)
    rollback.refused = outcomes.count(Outcome.REFUSED)
    rollback.save(update_fields=["restored", "changed_since", "refused"])


def _outcome(listing_id: int, restored: set[int], refused: dict[int, str]) -> tuple[str, str]:
    if listing_id in restored:
        return Outcome.RESTORED, ""
    reason = refused.get(listing_id, "price_changed_meanwhile")
    if reason == "price_changed_meanwhile":
        return Outcome.CHANGED_SINCE, ""
    return Outcome.REFUSED, reason
