"""Approve, reject and expire prices that wait for a second person. What every door calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.gate import Proposal, publish_prices
from catalog.models import Listing, PriceApproval, PriceOverride
from catalog.models.listing import PriceSource
from catalog.models.price_override import OverrideStatus
from catalog.services.kill_check import REFUSAL, is_kill_switch
from catalog.services.rollback_check import is_rolled_back

Status = PriceApproval.Status
GONE_FOR_GOOD = {"price_changed_meanwhile", "unknown_listing", "overridden", "rolled_back"}


class OwnRequest(PermissionError):
    """Whoever asked for a price cannot decide on it."""

    def __init__(self) -> None:
        super().__init__("You asked for this price: somebody else must decide on it.")


class NotWaiting(ValueError):
    """It was decided on before, superseded, or its time is over."""


@dataclass(frozen=True)
class Decision:
    """The approval as it stands now; ``refused``: why the gate did not publish it, empty where it did."""

    approval: PriceApproval
    refused: str = ""


def approve_price(*, approval_id: int, by: User, now: datetime, comment: str = "") -> Decision:
    """Publish a waiting price through the gate, checked against today's cost, version and kill switches.

    Of two who decide at once the first one wins. Where the gate refuses, nothing is published: the price waits on,
    or is superseded where another price came into force. One whose time is over expires now (``expired``).

    Raises:
        PriceApproval.DoesNotExist: there is none with this id.
        OwnRequest: the person asked for the price.
        NotWaiting: it was decided on before, or superseded.
    """
    try:
        return _approve(approval_id, by, now, comment)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        return Decision(PriceApproval.objects.get(pk=approval_id), REFUSAL)


@transaction.atomic
def _approve(approval_id: int, by: User, now: datetime, comment: str) -> Decision:
    run_id = PriceApproval.objects.filter(pk=approval_id).values_list("run_id", flat=True).first()
    if run_id is not None:
        is_rolled_back(run_id)  # a lock that goes before those of listings
    approval = _locked(approval_id, by)
    _require_waiting(approval)
    if approval.expires_at <= now:
        _settle(approval, Status.EXPIRED, now)
        return Decision(approval, "expired")
    if _is_over(approval, now):
        _settle(approval, Status.SUPERSEDED, now)
        return Decision(approval, "over")
    _settle(approval, Status.APPROVED, now, by=by, comment=comment)
    source = PriceSource(approval.source)
    report = publish_prices(
        channel=approval.listing.channel,
        proposals=[
            Proposal(
                listing_id=approval.listing_id,
                price=approval.price,
                idempotency_key=approval.idempotency_key,
                expected_version=approval.expected_version,
                binding_rule=approval.binding_rule,
                explanation=approval.explanation,
            )
        ],
        source=source,
        now=now,
        author=approval.requested_by,
        run_id=approval.run_id,
        reason=approval.reason,
        approved_by=by,
    )
    refused = report.refused.get(approval.listing_id, "")
    if source == PriceSource.LIST_PRICE and not refused:  # until now it stood nowhere, so that nobody was served it
        Listing.objects.filter(pk=approval.listing_id).update(list_price=approval.price)
    if refused in GONE_FOR_GOOD:
        _settle(approval, Status.SUPERSEDED, now, comment=comment)
    elif refused:
        _settle(approval, Status.WAITING, None)
    return Decision(approval, refused)


def _is_over(approval: PriceApproval, now: datetime) -> bool:
    """Tell whether it would start an override whose time is over."""
    overrides = PriceOverride.objects.filter(listing=approval.listing_id, period__endswith__lte=now)
    return any(row.start_key == approval.idempotency_key for row in overrides.filter(status=OverrideStatus.SCHEDULED))


@transaction.atomic
def reject_price(*, approval_id: int, by: User, now: datetime, comment: str = "") -> PriceApproval:
    """Decide that a waiting price is not published; proposed again under the same key it is refused.

    Raises as `approve_price` does.
    """
    approval = _locked(approval_id, by)
    _require_waiting(approval)
    _settle(approval, Status.REJECTED, now, by=by, comment=comment)
    return approval


def expire_approvals(*, now: datetime) -> int:
    """Close what nobody decided on in time; return how many. Rows that somebody decides on just now are left alone."""
    with transaction.atomic():
        late = PriceApproval.objects.filter(status=Status.WAITING, expires_at__lte=now)
        keys = list(late.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True))
        return PriceApproval.objects.filter(pk__in=keys).update(status=Status.EXPIRED, decided_at=now)


def approve_prices(*, approval_ids: Sequence[int], by: User, now: datetime, comment: str = "") -> dict[int, str]:
    """Approve many, each in a transaction of its own; return by id why some were not published."""
    failed: dict[int, str] = {}
    for pk in approval_ids:
        try:
            decision = approve_price(approval_id=pk, by=by, now=now, comment=comment)
        except (OwnRequest, NotWaiting) as error:
            failed[pk] = str(error)
            continue
        if decision.refused:
            failed[pk] = decision.refused
    return failed


def reject_prices(*, approval_ids: Sequence[int], by: User, now: datetime, comment: str = "") -> dict[int, str]:
    """Reject many, each in a transaction of its own; return by id why some could not be."""
    failed: dict[int, str] = {}
    for pk in approval_ids:
        try:
            reject_price(approval_id=pk, by=by, now=now, comment=comment)
        except (OwnRequest, NotWaiting) as error:
            failed[pk] = str(error)
    return failed


def _locked(approval_id: int, by: User) -> PriceApproval:
    """Lock the listing, then the approval: in the gate's order."""
    listing_id = PriceApproval.objects.values_list("listing_id", flat=True).get(pk=approval_id)
    Listing.objects.select_for_update().get(pk=listing_id)
    approval = (
        PriceApproval.objects.select_for_update(of=("self",))
        .select_related("listing__channel", "listing__product", "requested_by", "decided_by")
        .get(pk=approval_id)
    )
    if approval.requested_by_id is not None and approval.requested_by_id == by.pk:
        raise OwnRequest
    return approval


def _require_waiting(approval: PriceApproval) -> None:
    if approval.status != Status.WAITING:
        who = f" by {approval.decided_by.get_username()}" if approval.decided_by else ""
        raise NotWaiting(f"It waits no longer: it was {approval.status}{who}.")


def _settle(
    approval: PriceApproval, status: str, now: datetime | None, *, by: User | None = None, comment: str = ""
) -> None:
    approval.status, approval.decided_at, approval.decided_by, approval.comment = status, now, by, comment.strip()
    approval.save(update_fields=["status", "decided_at", "decided_by", "comment"])
