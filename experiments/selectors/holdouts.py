"""Who is held out, and what the engine earns beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Channel, DailySales, Listing
from experiments.models import HoldoutListing, HoldoutPolicy
from experiments.selectors.listing_history import listing_history
from experiments.stats.inference.estimates import cuped_difference
from experiments.stats.inference.moments import Moments

COVARIATE_DAYS: Final = 28


def held_out_listings(listing_ids: Sequence[int]) -> set[int]:
    """Return those of some listings that are held out now; the gate asks for every automatic price."""
    held = HoldoutListing.objects.filter(listing__any_of=listing_ids, until=None)
    return set(held.values_list("listing_id", flat=True))


@dataclass(frozen=True)
class HoldoutEffect:
    """What the engine's prices earn beside those that nothing automatic changed.

    ``effect``: profit a listing and day of the others less the held out, in the channel's currency, adjusted by the
    days before (CUPED), with its 95 % interval ``low`` to ``high``; ``relative``: over the held out's mean, None where
    that is not above 0; ``variance_reduction``: what the adjustment took away. Days are those after the last draw.
    """

    effect: float
    low: float
    high: float
    relative: float | None
    variance_reduction: float
    held_out: int
    others: int
    first_day: date
    last_day: date


def holdout_effect(*, channel: Channel) -> HoldoutEffect | None:
    """Compare a channel's listings with its holdout; None while there is none, or no day of sales after its draw.

    Held out are those of the last change of the share that are still so. On neither side are listings without a known
    cost, whose profit is not known and that nothing automatic prices; listings that had not sold by that change, as a
    new one has neither days before nor all days since; and listings that were held out for a part of the days since.
    """
    policy = HoldoutPolicy.objects.filter(channel=channel, share__gt=0).first()
    if policy is None or policy.changed_at is None:
        return None
    ids, held = _sides(policy, policy.changed_at)
    history = listing_history(channel=channel, listing_ids=ids, metric="profit", before=timezone.localdate())
    first_day = timezone.localdate(policy.changed_at) + timedelta(days=1)
    if history.last_day is None or history.last_day < first_day or held.sum() < 2 or (~held).sum() < 2:
        return None
    days = (history.last_day - first_day).days + 1
    after, before = history.daily_means(days), history.daily_means(COVARIATE_DAYS, ago=days)
    control, treatment = (Moments.of(after[side], before[side]) for side in (held, ~held))
    estimate = cuped_difference(control, treatment)
    mean, effect = float(estimate.control_mean), float(estimate.effect)
    low, high = estimate.interval()
    return HoldoutEffect(
        effect=effect,
        low=float(low),
        high=float(high),
        relative=effect / mean if mean > 0 else None,
        variance_reduction=float(estimate.variance_reduction),
        held_out=int(held.sum()),
        others=int((~held).sum()),
        first_day=first_day,
        last_day=history.last_day,
    )


def _sides(policy: HoldoutPolicy, drawn_at: datetime) -> tuple[list[int], NDArray[np.bool_]]:
    """Return the listings that are compared, in the order of their keys, and which of them are held out."""
    ever = HoldoutListing.objects.filter(listing__channel=policy.channel_id).filter(
        Q(until=None) | Q(until__gt=drawn_at)
    )
    throughout = set(ever.filter(until=None, since__lte=drawn_at).values_list("listing_id", flat=True))
    partly = set(ever.values_list("listing_id", flat=True)) - throughout
    sold = DailySales.objects.filter(listing=OuterRef("pk"), day__lt=timezone.localdate(drawn_at))
    priced = Listing.objects.filter(
        Exists(sold), channel=policy.channel_id, product__is_active=True, unit_cost__gt=0
    ).order_by("pk")
    ids = [pk for pk in priced.values_list("pk", flat=True) if pk not in partly]
    return ids, np.array([pk in throughout for pk in ids], dtype=bool)
