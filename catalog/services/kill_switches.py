"""Flip and lift kill switches. What every door calls."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

from catalog import price_cache
from catalog.models import Category, Channel, KillSwitch, ServedExperiment
from catalog.services.kill_check import FLIP_LOCK
from catalog.services.served_records import forget_everything, serve_anew

# More listings than this, or listings that a batch holds, would take too long one by one: everything is forgotten then.
TOLD_ONE_BY_ONE = 500
LOCK_WAIT = "SET LOCAL lock_timeout = '30ms'"


class CannotFlip(ValueError):
    """The order makes no sense; ``field`` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def flip_kill_switch(
    *,
    reason: str,
    through: str,
    now: datetime,
    by: User | None = None,
    channel: Channel | None = None,
    category: Category | None = None,
    model: str = "",
) -> tuple[KillSwitch, bool]:
    """Stop automatic prices: everywhere, or in a channel, a category, or by a model. Return the switch; True: new.

    From the commit on nothing automatic that it covers is published, also of batches that are under way, and
    experiments' arms that it covers are not served. Takes the exclusive lock that commits of automatic prices share:
    waits for a commit in flight, never for a batch.

    Raises:
        CannotFlip: no reason, or more than one scope.
    """
    if not reason.strip():
        raise CannotFlip("reason", "Say why: whoever finds the prices standing still must know.")
    if sum([channel is not None, category is not None, bool(model)]) > 1:
        raise CannotFlip("scope", "Choose at most one of channel, category and model.")
    _take_flip_lock()
    known = KillSwitch.objects.filter(channel=channel, category=category, model=model, lifted_at=None).first()
    if known is not None:
        return known, False
    switch = KillSwitch.objects.create(
        channel=channel,
        category=category,
        model=model,
        reason=reason.strip(),
        flipped_at=now,
        flipped_by=by,
        flipped_through=through,
    )
    _serve_covered_anew(switch)
    return switch, True


@transaction.atomic
def lift_kill_switch(
    *, switch_id: int, through: str, now: datetime, by: User | None = None, reason: str = ""
) -> KillSwitch:
    """Let automatic prices pass again where no other switch covers them; a switch that was lifted stays as it was.

    Experiments that still run are served again. Nothing that was refused meanwhile is published by itself.

    Raises:
        KillSwitch.DoesNotExist: there is no such switch.
    """
    _take_flip_lock()
    switch = KillSwitch.objects.select_related("channel", "category").get(pk=switch_id)
    if not switch.is_on:
        return switch
    switch.lifted_at, switch.lifted_by, switch.lifted_through, switch.lift_reason = now, by, through, reason.strip()
    switch.save(update_fields=["lifted_at", "lifted_by", "lifted_through", "lift_reason"])
    _serve_covered_anew(switch)
    return switch


def _take_flip_lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FLIP_LOCK])


def _serve_covered_anew(switch: KillSwitch) -> None:
    """Have the listings served anew whose experiment the switch covers: at once, whoever holds their rows."""
    running = _covered_experiments(switch)
    if not running:
        return
    if len(running) <= TOLD_ONE_BY_ONE:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(LOCK_WAIT)
                for channel in sorted({channel for channel, _ in running}):
                    serve_anew(channel=channel, listing_ids=[pk for code, pk in running if code == channel])
                cursor.execute("SET LOCAL lock_timeout = 0")
            return
        except OperationalError:  # a batch holds the rows, and waits for our lock at its end
            pass
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(LOCK_WAIT)
            price_cache.raise_epoch()
            cursor.execute("SET LOCAL lock_timeout = 0")
    except OperationalError:  # somebody raises it who could not reach Redis
        transaction.on_commit(forget_everything, robust=True)


def _covered_experiments(switch: KillSwitch) -> Sequence[tuple[str, int]]:
    running = ServedExperiment.objects.filter(ended_at=None)
    if switch.channel is not None:
        running = running.filter(listing__channel=switch.channel)
    elif switch.category is not None:
        running = running.filter(listing__product__category=switch.category)
    elif switch.model and switch.model != "experiment":
        running = running.filter(experiment=switch.model)
    return list(
        running.order_by("listing_id").values_list("listing__channel__code", "listing_id")[: TOLD_ONE_BY_ONE + 1]
    )
