"""Submit, start and withdraw experiments: from a draft to prices that are served."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.copying import copy_rows
from catalog.services.arms import serve_arms
from catalog.services.kill_check import is_kill_switch
from experiments.models import ExperimentArm, ExperimentLayer, ExperimentUnit, PriceExperiment
from experiments.selectors.winsor_caps import winsor_caps_before
from experiments.services.draw_units import BY_LISTING, UNIT_OF, Design, Draw
from experiments.services.lifecycle import CannotRun, NeedsSecondPerson, Status, locked_experiment
from experiments.services.plan_experiment import planned


@transaction.atomic
def submit_experiment(*, experiment: int, by: str, now: datetime, seen: str | None = None) -> PriceExperiment:
    """Register the plan of a draft, and put it to review: from then on neither it nor its arms can change.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it is no draft.
        ChangedMeanwhile: ``seen`` is given, and it has another version by now.
        CannotRun: the plan has faults, each in words.
    """
    row = locked_experiment(experiment, Status.DRAFT, seen=seen)
    found = planned(experiment=row, now=now, is_preview=True)
    if found.problems:
        raise CannotRun(found.problems)
    row.plan, row.status, row.submitted_at, row.submitted_by = found.plan, Status.REVIEW, now, by
    row.save(update_fields=["plan", "status", "submitted_at", "submitted_by"])
    return row


def start_experiment(
    *, experiment: int, by: str, now: datetime, person: User | None = None, seen: str | None = None
) -> PriceExperiment:
    """Draw the units anew, as of now, freeze the plan, and serve the arms through the gate, in one transaction.

    From the commit on the arms are served; with a crash before it nothing happened. Listings that the gate refuses are
    recorded in the plan with the reason, and of matched pairs the partner leaves too. Every unit, control or not, is
    served through its arm, so that both stand still but for the treatment.

    Args:
        by: who starts it, in words; ``person``: the same, where it is somebody with a login.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it is not in review.
        ChangedMeanwhile: ``seen`` is given, and it has another version by now.
        CannotRun: the plan has faults by now, or a running experiment of the layer has some of its buckets.
        NeedsSecondPerson: prices are above their approval policy, and the one who starts it asked for it, or is no
            person.
    """
    try:
        return _start(experiment, by, now, person, seen)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        raise CannotRun(["A kill switch was flipped while it started: nothing is served."]) from error


@transaction.atomic
def _start(experiment: int, by: str, now: datetime, person: User | None, seen: str | None) -> PriceExperiment:
    row = locked_experiment(experiment, Status.REVIEW, seen=seen)
    _require_buckets(row)
    found = planned(experiment=row, now=now)
    if found.problems or found.draw is None:
        raise CannotRun(found.problems)
    draw = found.draw
    if draw.for_second_person and (person is None or {person.get_username(), by} & {row.created_by, row.submitted_by}):
        raise NeedsSecondPerson(draw.for_second_person)
    arms = list(row.arms.order_by("position"))
    _store_units(row, arms, draw)
    row.plan = found.plan | {"winsor_caps": winsor_caps_before(experiment=row, now=now)}
    row.status, row.started_at, row.started_by = Status.RUNNING, now, by
    row.save(update_fields=["plan", "status", "started_at", "started_by"])
    report = serve_arms(
        channel=row.channel,
        experiment=row.code,
        salt=row.salt,
        unit=UNIT_OF[Design(row.design)],
        arms=draw.served_arms(arms),
        now=now,
        slot_seconds=row.slot_seconds,
        is_approved=True,
    )
    if report.refused:  # the listings are locked since the draw: only a kill switch can have come between
        raise CannotRun([f"{len(report.refused):,} listings were refused while it started: try again."])
    return row


@transaction.atomic
def withdraw_experiment(*, experiment: int, by: str, reason: str, now: datetime) -> PriceExperiment:
    """Give up a draft or a review; it is kept, and never starts.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it has started, or was withdrawn before.
    """
    row = locked_experiment(experiment, Status.DRAFT, Status.REVIEW)
    row.status, row.stopped_at, row.stopped_by, row.stop_reason = Status.WITHDRAWN, now, by, reason.strip()
    row.save(update_fields=["status", "stopped_at", "stopped_by", "stop_reason"])
    return row


def _require_buckets(row: PriceExperiment) -> None:
    """Refuse buckets that a running experiment of the layer has; the layer is locked, so that of two one starts."""
    ExperimentLayer.objects.select_for_update().get(pk=row.layer_id)
    end = row.first_bucket + row.buckets
    for other in PriceExperiment.objects.filter(layer=row.layer_id, status=Status.RUNNING):
        if other.first_bucket < end and row.first_bucket < other.first_bucket + other.buckets:
            raise CannotRun(
                [
                    f"Experiment {other.code} of the same layer has buckets {other.first_bucket:,} to "
                    f"{other.first_bucket + other.buckets - 1:,}: stop it, or draft this one with other buckets."
                ]
            )


def _store_units(row: PriceExperiment, arms: list[ExperimentArm], draw: Draw) -> None:
    by_listing = row.design in BY_LISTING
    units = zip(
        draw.listings.rows,
        draw.arms.tolist(),
        draw.blocks.tolist(),
        draw.clusters.tolist(),
        draw.before.tolist(),
        strict=True,
    )
    copy_rows(
        ExperimentUnit,
        [
            ExperimentUnit(
                experiment=row,
                listing_id=listing.pk,
                arm=arms[arm] if by_listing else None,
                block=block,
                cluster=cluster,
                covariate=before,
                base_price=listing.price_in_force,
                base_version=listing.price_version,
            )
            for listing, arm, block, cluster, before in units
        ],
    )
