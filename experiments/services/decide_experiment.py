"""Decide a stopped experiment: the prices in force stay, or an arm's prices become them."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.gate import Proposal, PublishReport, publish_prices
from catalog.models.listing import PriceSource
from catalog.money import from_ticks, to_ticks
from catalog.plain_words import refusal_words
from catalog.services.kill_check import is_kill_switch
from experiments.models import ExperimentArm, ExperimentUnit, PriceExperiment
from experiments.services.lifecycle import CannotRun, Status, locked_experiment

Decision = PriceExperiment.Decision


@dataclass(frozen=True)
class Promotion:
    """What became of the winner's prices, as the gate reports it."""

    experiment: PriceExperiment
    report: PublishReport


@transaction.atomic
def decide_experiment(*, experiment: int, decision: Decision, by: str, now: datetime) -> PriceExperiment:
    """Close a stopped experiment without changing a price: kept, or inconclusive.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it was not stopped, or is decided already.
        ValueError: promoted, which `promote_arm` does.
    """
    if decision == Decision.PROMOTED:
        raise ValueError("decision: got promoted; promote the arm, which publishes its prices")
    row = locked_experiment(experiment, Status.STOPPED)
    row.status, row.decision, row.decided_at, row.decided_by = Status.DECIDED, decision, now, by
    row.save(update_fields=["status", "decision", "decided_at", "decided_by"])
    return row


def promote_arm(*, experiment: int, arm: str, by: str, now: datetime, person: User | None = None) -> Promotion:
    """Make an arm's prices the prices in force of all listings of a stopped experiment, through the publish gate.

    The prices are those that were tried: the price in force at the start, changed by the arm. Where another price came
    into force meanwhile the gate refuses (``price_changed_meanwhile``), as it does for all its other reasons; what is
    above its approval policy waits for a second person. One transaction; once promoted, the same arm again changes
    nothing and reports what was published.

    Raises:
        PriceExperiment.DoesNotExist, ExperimentArm.DoesNotExist: there is none.
        WrongState: it was not stopped, or another decision was taken.
        CannotRun: the arm is the control, whose prices are in force: decide `kept` instead; or the gate refused every
            price, each reason with its count.
    """
    try:
        return _promote(experiment, arm, by, now, person)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        raise CannotRun(["A kill switch stops automatic prices here: nothing was published."]) from error


@transaction.atomic
def _promote(experiment: int, name: str, by: str, now: datetime, person: User | None) -> Promotion:
    row = locked_experiment(experiment, Status.STOPPED, Status.DECIDED)
    arm = row.arms.get(name=name)
    if row.status == Status.DECIDED and row.promoted_arm_id != arm.pk:
        locked_experiment(experiment, Status.STOPPED)  # raises: it was decided otherwise
    if arm.position == 0:
        raise CannotRun(["The control's prices are in force already: decide that they are kept."])
    units = list(ExperimentUnit.objects.filter(experiment=row, base_price__isnull=False).order_by("listing_id"))
    report = publish_prices(
        channel=row.channel,
        proposals=[_proposal(row, arm, unit) for unit in units],
        source=PriceSource.EXPERIMENT,
        now=now,
        author=person,
        reason=f"Arm {arm.name} of experiment {row.name}"[:300],
    )
    if row.status == Status.STOPPED:
        if not (report.published or report.already_published or report.unchanged or report.waiting):
            raise CannotRun(_why_nothing(report))
        row.status, row.decision, row.decided_at, row.decided_by = Status.DECIDED, Decision.PROMOTED, now, by
        row.promoted_arm = arm
        row.save(update_fields=["status", "decision", "decided_at", "decided_by", "promoted_arm"])
    return Promotion(row, report)


def _why_nothing(report: PublishReport) -> list[str]:
    """Return why an arm was not promoted at all, the commonest reason first, and the cure."""
    counted = Counter(report.refused.values()).most_common()
    reasons = [f"{count:,} refused: {refusal_words(reason)}." for reason, count in counted]
    return [
        "Nothing was published, and the experiment stays stopped.",
        *(reasons or ["None of its listings has a price to start from."]),
        "Mend that and promote it again, or decide that the prices in force are kept.",
    ]


def _proposal(row: PriceExperiment, arm: ExperimentArm, unit: ExperimentUnit) -> Proposal:
    assert unit.base_price is not None and unit.base_version is not None  # the units are chosen so
    return Proposal(
        listing_id=unit.listing_id,
        price=_price(row, arm, unit.base_price),
        idempotency_key=f"experiment:{row.pk}:promote:{arm.name}",
        expected_version=unit.base_version,
        explanation={"experiment": row.code, "arm": arm.name, "price_change": str(arm.price_change)},
    )


def _price(row: PriceExperiment, arm: ExperimentArm, base: Decimal) -> Decimal:
    exponent = row.channel.currency_exponent
    return from_ticks(max(to_ticks(base * (1 + arm.price_change), exponent), 1), exponent)
