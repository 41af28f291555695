"""Have listings served through the arms of an experiment, and end it. Every arm's price passes the gate's own check."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from catalog.arms import SHARES
from catalog.gate import checked_prices
from catalog.models import Channel, Listing, ServedArm, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.selectors.price_groups import related_listings
from catalog.services.kill_check import Decision, check_switches_at_commit, killed_listings
from catalog.services.served_records import serve_anew

SHORTEST_SLOT_SECONDS = 60
RELATED = "related_product"


@dataclass(frozen=True)
class Arm:
    """A price to be tried. ``share``: basis points of the units; the first arm is the control."""

    name: str
    share: int
    price: Decimal


@dataclass(frozen=True)
class ArmsReport:
    """Which listings are served through the experiment, and why the others are not, by listing id."""

    serving: list[int]
    refused: dict[int, str]


@dataclass(frozen=True)
class CheckedArms:
    """Why listings cannot be tried, and the hard floor of the others, by listing id."""

    refused: dict[int, str]
    floors: dict[int, Decimal | None]


@transaction.atomic
def check_arms(
    *,
    channel: Channel,
    experiment: str,
    unit: ServedExperiment.Unit,
    arms: Mapping[int, Sequence[Arm]],
    now: datetime,
    slot_seconds: int | None = None,
    is_approved: bool = False,
    is_preview: bool = False,
) -> CheckedArms:
    """Say which listings `serve_arms` would refuse, and serve nothing.

    Locks the listings in primary-key order; not for a preview (``is_preview``), which may be out of date at once.
    ``is_approved``: a second person starts it, so that prices above their approval policy pass.

    Raises:
        ValueError: as `serve_arms` does.
    """
    _require_sound(arms, unit, slot_seconds)
    listings = Listing.objects.filter(pk__any_of=list(arms), channel=channel).order_by("pk")
    known = set((listings if is_preview else listings.select_for_update()).values_list("pk", flat=True))
    refused = {pk: "unknown_listing" for pk in arms.keys() - known}
    running = ServedExperiment.objects.filter(listing__any_of=list(known), ended_at=None)
    refused |= {pk: "experiment_running" for pk in running.values_list("listing_id", flat=True)}
    if unit == ServedExperiment.Unit.SKU and any(len(each) > 1 for each in arms.values()):
        refused |= _beside_a_relative(channel, arms.keys() - refused.keys())
    floors: dict[int, Decimal | None] = {}
    for position in range(max(map(len, arms.values()), default=0)):
        prices = {pk: each[position].price for pk, each in arms.items() if pk not in refused and position < len(each)}
        checked = checked_prices(
            channel=channel, prices=prices, source=PriceSource.EXPERIMENT, now=now, is_approved=is_approved
        )
        refused |= checked.refused
        floors |= checked.floors
    passed = Listing.objects.filter(pk__any_of=list(arms.keys() - refused.keys())).select_related("product")
    refused |= killed_listings(channel_id=channel.pk, decisions=_decisions(passed, experiment))
    return CheckedArms(refused, floors)


@transaction.atomic
def serve_arms(
    *,
    channel: Channel,
    experiment: str,
    salt: str,
    unit: ServedExperiment.Unit,
    arms: Mapping[int, Sequence[Arm]],
    now: datetime,
    slot_seconds: int | None = None,
    is_approved: bool = False,
) -> ArmsReport:
    """Serve listings through an experiment's arms from the commit on; ``arms`` by listing id.

    Locks the listings in primary-key order. A listing is refused whole where one of its arms breaks a hard rule of its
    guardrails at its current cost or a relation of related products, where a person's price is in force
    (``overridden``), where it is held out (``held_out``), under a kill switch (``kill_switch``; one flipped meanwhile
    fails the commit) or where an experiment runs on it already (``experiment_running``). Where listings have one arm
    each, drawn before, all of those prices together keep the relations; where SKUs have several, of related products
    one alone is tried: their draws are independent, so any two arms could meet (``related_product``).

    ``is_approved``: a second person starts it; without one a price above its approval policy is refused as
    ``needs_approval``.

    Raises:
        ValueError: arms that are no experiment: shares that do not sum to 10,000, names that repeat, a slot too short.
    """
    checked = check_arms(
        channel=channel,
        experiment=experiment,
        unit=unit,
        arms=arms,
        now=now,
        slot_seconds=slot_seconds,
        is_approved=is_approved,
    )
    serving = sorted(arms.keys() - checked.refused.keys())
    served = Listing.objects.filter(pk__any_of=serving).select_related("product")
    check_switches_at_commit(channel_id=channel.pk, decisions=_decisions(served, experiment))
    started = ServedExperiment.objects.bulk_create(
        [
            ServedExperiment(
                listing_id=pk, experiment=experiment, salt=salt, unit=unit, slot_seconds=slot_seconds, started_at=now
            )
            for pk in serving
        ],
        batch_size=2_000,
    )
    ServedArm.objects.bulk_create(
        [
            ServedArm(
                served_experiment=each,
                arm=arm.name,
                share=arm.share,
                price=arm.price,
                floor=checked.floors[each.listing_id],
            )
            for each in started
            for arm in arms[each.listing_id]
        ],
        batch_size=2_000,
    )
    serve_anew(channel=channel.code, listing_ids=serving)
    return ArmsReport(serving, checked.refused)


@transaction.atomic
def end_arms(*, channel: Channel, experiment: str, now: datetime) -> list[int]:
    """Serve the prices in force again where an experiment ran, from the commit on; return the listings."""
    running = ServedExperiment.objects.filter(listing__channel=channel, experiment=experiment, ended_at=None)
    listing_ids = list(running.order_by("listing_id").values_list("listing_id", flat=True))
    running.update(ended_at=now)
    serve_anew(channel=channel.code, listing_ids=listing_ids)
    return listing_ids


def _decisions(listings: Iterable[Listing], experiment: str) -> list[Decision]:
    deciders = (PriceSource.EXPERIMENT.value, experiment)
    return [(row, deciders) for row in listings]


def _beside_a_relative(channel: Channel, listing_ids: Collection[int]) -> dict[int, str]:
    """Return the listings that are in a family or ladder with one of a lower key."""
    products = list(Listing.objects.filter(pk__in=listing_ids).values_list("product", flat=True))
    groups = related_listings(channel=channel, product_ids=products) if products else []
    tried = [sorted(row.pk for row in group.listings if row.pk in listing_ids) for group in groups]
    return {pk: RELATED for members in tried for pk in members[1:]}


def _require_sound(arms: Mapping[int, Sequence[Arm]], unit: ServedExperiment.Unit, slot_seconds: int | None) -> None:
    if (unit == ServedExperiment.Unit.TIME_SLOT) != (slot_seconds is not None):
        raise ValueError("slot_seconds belongs to experiments over time slots, and only to them")
    if slot_seconds is not None and slot_seconds < SHORTEST_SLOT_SECONDS:
        raise ValueError(f"slot_seconds must be {SHORTEST_SLOT_SECONDS} or more: a shown price must hold for a while")
    for pk, each in arms.items():
        if sum(arm.share for arm in each) != SHARES or min((arm.share for arm in each), default=0) <= 0:
            raise ValueError(f"listing {pk}: the shares of its arms must be above 0 and sum to {SHARES:,} basis points")
        if len({arm.name for arm in each}) != len(each):
            raise ValueError(f"listing {pk}: two arms have the same name")
