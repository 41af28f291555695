"""Open a batch optimisation run. Web processes load this file: it must not lead to the engine."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from catalog.models import Channel, Listing
from optimizer.models import ElasticityFit, OptimizationRun, RunChunk, RunGoals, RunLimits
from optimizer.selectors.live_models import live_fit

CHUNK_LISTINGS = 16_384
"""What is computed, and published, in one transaction: a few seconds, 0.3 GiB."""


class CannotOptimize(ValueError):
    """There is nothing to optimise with; the message names the cure."""


@transaction.atomic
def open_run(
    *,
    channel: Channel,
    objective: str,
    now: datetime,
    fit: ElasticityFit | None = None,
    key: str | None = None,
    publishes: bool = True,
    requested_by: User | None = None,
    only: Q | None = None,
    canary_share: Decimal | None = None,
) -> OptimizationRun:
    """Open a run over all active listings of a channel and cut it into chunks; without a fit the live one is used.

    ``only`` limits it to some listings; whoever computes the chunks must keep to the same. The channel's goals, as they
    are now, hold for a run over all of them: those of some listings alone would mean something else.

    ``canary_share``, above 0 and up to 1: the share of the prices that is published first; without one the channel's
    run limits say it, and without those all are.

    The same key returns the same run. One that failed is opened again: its finished chunks stay, the others start anew.

    Raises:
        CannotOptimize: no elasticities were fitted for the channel, or it has no listings.
    """
    fit = fit or live_fit(channel=channel)
    if fit is None:
        raise CannotOptimize(f"no elasticities for channel {channel.code!r}: run `manage.py fit_elasticities` first")
    run, is_new = OptimizationRun.objects.get_or_create(
        key=key or f"run:{uuid.uuid4()}",
        defaults={
            "channel": channel,
            "fit": fit,
            "objective": objective,
            "publishes": publishes,
            "requested_by": requested_by,
            "canary_share": _canary_share(channel, canary_share) if publishes else None,
            "goals": _goals(channel) if only is None else {},
            "created_at": now,
        },
    )
    if is_new:
        chunks = [RunChunk(run=run, first_pk=first, last_pk=last) for first, last in _ranges(channel, only or Q())]
        if not chunks:
            raise CannotOptimize(f"channel {channel.code!r} has no products: run `manage.py import_sales` first")
        RunChunk.objects.bulk_create(chunks)
    elif run.status == OptimizationRun.Status.FAILED:
        _open_again(run)
    return run


def _goals(channel: Channel) -> dict[str, Any]:
    goals = RunGoals.objects.filter(channel=channel).first()
    return goals.as_dict() if goals else {}


def _canary_share(channel: Channel, asked: Decimal | None) -> Decimal | None:
    usual = RunLimits.objects.filter(channel=channel).values_list("canary_share", flat=True).first()
    return usual if asked is None else asked


def _open_again(run: OptimizationRun) -> None:
    run.status, run.error, run.finished_at = OptimizationRun.Status.OPEN, "", None
    run.group_attempts = run.portfolio_attempts = 0
    run.publishing_since = None
    run.save(
        update_fields=["status", "error", "finished_at", "group_attempts", "portfolio_attempts", "publishing_since"]
    )
    run.chunks.filter(finished_at=None).update(attempts=0)


def _ranges(channel: Channel, only: Q) -> Iterator[tuple[int, int]]:
    after = 0
    while True:
        keys = list(
            Listing.objects.filter(only, channel=channel, product__is_active=True, pk__gt=after)
            .order_by("pk")
            .values_list("pk", flat=True)[:CHUNK_LISTINGS]
        )
        if not keys:
            return
        yield keys[0], keys[-1]
        after = keys[-1]
