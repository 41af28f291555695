"""Who is held out, and what the engine earns beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from django.utils import timezone

from catalog.models import Channel, Listing
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

    Held out are those of the last draw that are still so. Listings without a known cost are on neither side: their
    profit is not known, and nothing automatic prices them.
    """
    policy = HoldoutPolicy.objects.filter(channel=channel, share__gt=0).first()
    if policy is None or policy.changed_at is None:
        return None
    priced = Listing.objects.filter(channel=channel, product__is_active=True, unit_cost__gt=0).order_by("pk")
    ids = list(priced.values_list("pk", flat=True))
    history = listing_history(channel=channel, listing_ids=ids, metric="profit", before=timezone.localdate())
    first_day = timezone.localdate(policy.changed_at) + timedelta(days=1)
    held_now = HoldoutListing.objects.filter(listing__channel=channel, until=None, since__lte=policy.changed_at)
    held = np.isin(np.array(ids), list(held_now.values_list("listing_id", flat=True)))
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
