"""Hold out a share of a channel's listings from everything automatic, always, to measure the engine itself."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from catalog.gate import lock_listings
from catalog.models import Channel, Listing, ServedExperiment
from experiments.models import HoldoutListing, HoldoutPolicy
from experiments.models.holdout import MOST_SHARE
from experiments.stats.designs.hashing import buckets


@dataclass(frozen=True)
class HoldoutDraw:
    """How many listings are held out now, how many of them are new or were let go, and how many wait.

    ``waiting``: drawn, but in an experiment that runs; the next draw after its end takes them.
    """

    held: int
    new: int
    let_go: int
    waiting: int


@transaction.atomic
def hold_out(*, channel: Channel, share: int, by: str, now: datetime) -> HoldoutDraw:
    """Hold out a share of a channel's listings, in basis points, drawn by hash: 0 lets all go.

    A larger share keeps those that are held out and adds to them. From the commit on the gate refuses automatic prices
    for them (``held_out``), and the bandit and experiments leave them alone; their prices stay as they are.

    Raises:
        ValueError: a share below 0 or above half.
    """
    if not 0 <= share <= MOST_SHARE:
        raise ValueError(f"share: got {share}; give 0 to {MOST_SHARE:,} basis points")
    policy, _ = HoldoutPolicy.objects.get_or_create(channel=channel)
    policy = HoldoutPolicy.objects.select_for_update().get(pk=policy.pk)
    policy.share, policy.changed_at, policy.changed_by = share, now, by
    policy.save(update_fields=["share", "changed_at", "changed_by"])
    return _draw(policy, now)


def draw_holdouts(*, now: datetime) -> dict[str, HoldoutDraw]:
    """Draw again in every channel, for listings that are new or whose experiment ended; return the draws by channel."""
    draws = {}
    for pk in HoldoutPolicy.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            policy = HoldoutPolicy.objects.select_for_update().get(pk=pk)
            draws[policy.channel.code] = _draw(policy, now)
    return draws


def _draw(policy: HoldoutPolicy, now: datetime) -> HoldoutDraw:
    rows = list(
        Listing.objects.filter(channel_id=policy.channel_id, product__is_active=True).values_list("pk", "product__sku")
    )
    drawn = buckets(policy.salt, [sku for _, sku in rows]) < policy.share
    wanted = {pk for (pk, _), inside in zip(rows, drawn.tolist(), strict=True) if inside}
    held = HoldoutListing.objects.filter(listing__channel_id=policy.channel_id, until=None)
    before = set(held.values_list("listing_id", flat=True))
    fresh = sorted(wanted - before)
    lock_listings(listing_ids=fresh)  # an experiment that starts holds them: either it or we see the other
    running = ServedExperiment.objects.filter(listing__any_of=fresh, ended_at=None)
    waiting = set(running.values_list("listing_id", flat=True))
    new = [pk for pk in fresh if pk not in waiting]
    HoldoutListing.objects.bulk_create([HoldoutListing(listing_id=pk, since=now) for pk in new], batch_size=5_000)
    let_go = held.filter(listing__any_of=sorted(before - wanted)).update(until=now)
    return HoldoutDraw(len(before) + len(new) - let_go, len(new), let_go, len(waiting))
