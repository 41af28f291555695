"""Demand events become prices: one arm drawn for each, with the propensity it was drawn with."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import transaction

from catalog.models.listing import PriceSource
from catalog.money import amount_text, from_ticks
from catalog.services.kill_check import check_switches_at_commit
from catalog.services.lowest_offers import record_offers
from experiments.models import BanditArm, BanditContext, ChoiceSet, IntensityPolicy, PricingDecision
from experiments.selectors.ladders import Ladder, price_ladders
from experiments.stats.thompson import choice_probabilities, choose_arms

# An outcome counts if the shopper acted within this time of the decision, whenever we hear of it.
OUTCOME_WINDOW = timedelta(hours=24)
# Every arm keeps this share, so that its reward stays measurable: with five arms 5 % of decisions explore evenly.
PROPENSITY_FLOOR = 0.01

ContextKey = tuple[int, str, str]


@dataclass(frozen=True)
class DemandEvent:
    """Somebody wants a SKU at a location where so many want it (demand) and so many units are at hand (supply)."""

    event_id: uuid.UUID
    channel: str
    sku: str
    location: str
    demand: int
    supply: int
    occurred_at: datetime


@dataclass(frozen=True)
class DecidedPrice:
    """A decision as the outside learns of it; amounts are decimal strings."""

    decision_id: uuid.UUID
    event: DemandEvent
    intensity: str
    price: str
    list_price: str
    currency: str
    propensity: float
    decided_at: datetime
    outcome_due_at: datetime


@dataclass
class DecideReport:
    """What became of a batch of events; every event is in exactly one of the four."""

    decided: list[DecidedPrice] = field(default_factory=list)
    duplicates: list[DemandEvent] = field(default_factory=list)
    unknown_listing: list[DemandEvent] = field(default_factory=list)
    held: list[tuple[DemandEvent, str]] = field(default_factory=list)


@transaction.atomic
def decide_prices(*, events: Sequence[DemandEvent], now: datetime, rng: np.random.Generator) -> DecideReport:
    """Draw a price for every event that has none yet, and store the decisions.

    Events of one batch see the same posterior. An event whose id was decided before is a duplicate, also within the
    batch. An unknown or inactive listing is not decided, nor is one without a cost, under a person's override or under
    a kill switch (``held``, with the reason). Prices are inside the guardrails of the current facts. They hold for
    their event; the channel's price in force is left as it is.

    Raises IntegrityError if another transaction decides one of the events at the same time, and at the commit if a
    kill switch was flipped meanwhile: then do it again.
    """
    report = DecideReport()
    fresh = _without_decided(events, report)
    for channel in sorted({event.channel for event in fresh}):
        _decide_channel(channel, [event for event in fresh if event.channel == channel], report, now, rng)
    return report


def _without_decided(events: Sequence[DemandEvent], report: DecideReport) -> list[DemandEvent]:
    ids = [event.event_id for event in events]
    seen = set(PricingDecision.objects.filter(event_id__in=ids).values_list("event_id", flat=True))
    fresh: list[DemandEvent] = []
    for event in events:
        (report.duplicates if event.event_id in seen else fresh).append(event)
        seen.add(event.event_id)
    return fresh


def _decide_channel(
    channel: str, events: list[DemandEvent], report: DecideReport, now: datetime, rng: np.random.Generator
) -> None:
    ladders = price_ladders(channel=channel, skus={event.sku for event in events}, now=now)
    priced: list[DemandEvent] = []
    for event in events:
        ladder = ladders.get(event.sku)
        if ladder is None:
            report.unknown_listing.append(event)
        elif ladder.held_because:
            report.held.append((event, ladder.held_because))
        else:
            priced.append(event)
    if not priced:
        return
    policy = _intensity_policy(channel)
    keys: list[ContextKey] = []
    for event in priced:
        intensity = policy.intensity_of(demand=event.demand, supply=event.supply)
        keys.append((ladders[event.sku].listing.pk, event.location, intensity.value))
    drawn = _draw_arms(keys, {ladder.listing.pk: ladder for ladder in ladders.values()}, now, rng)
    decisions = []
    for event, draw in zip(priced, drawn, strict=True):
        context, arm = draw.choice_set.context, draw.arm
        ladder = ladders[event.sku]
        exponent = ladder.listing.channel.currency_exponent
        decision = PricingDecision(
            event_id=event.event_id,
            context=context,
            arm=arm,
            price=arm.price,
            floor=from_ticks(ladder.floor, exponent),
            propensity=draw.propensity,
            choice_set=draw.choice_set,
            point=draw.point,
            decided_at=now,
        )
        decisions.append(decision)
        report.decided.append(
            DecidedPrice(
                decision_id=decision.decision_id,
                event=event,
                intensity=context.intensity,
                price=amount_text(arm.price, exponent),
                list_price=amount_text(ladder.listing.list_price, exponent),
                currency=ladder.listing.channel.currency,
                propensity=draw.propensity,
                decided_at=now,
                outcome_due_at=now + OUTCOME_WINDOW,
            )
        )
    PricingDecision.objects.bulk_create(decisions, batch_size=2000)
    listings = [ladders[event.sku].listing for event in priced]
    offers = zip(listings, (decision.price for decision in decisions), strict=True)
    record_offers(channel=listings[0].channel, offers=offers, now=now)
    decided = dict.fromkeys(listings, (PriceSource.BANDIT.value,))
    channel_id = listings[0].channel_id
    check_switches_at_commit(channel_id=channel_id, models_by_listing=decided)


def _intensity_policy(channel: str) -> IntensityPolicy:
    policies = IntensityPolicy.objects.filter(channel__code=channel) | IntensityPolicy.objects.filter(channel=None)
    return policies.order_by("channel").first() or IntensityPolicy()  # NULLs, the policy for all, come last


@dataclass(frozen=True)
class _Draw:
    choice_set: ChoiceSet
    arm: BanditArm
    propensity: float
    point: float


def _draw_arms(
    keys: list[ContextKey], ladders: dict[int, Ladder], now: datetime, rng: np.random.Generator
) -> list[_Draw]:
    """Return one draw a key, in order; what each context had on offer is stored."""
    contexts = _contexts(set(keys))
    arms = _arms(contexts.values(), ladders)
    order = sorted(arms)
    row_of = {context: row for row, context in enumerate(order)}
    alpha, beta, worth = np.full((3, len(order), max(map(len, arms.values()))), np.nan)
    for row, context_id in enumerate(order):
        for column, arm in enumerate(arms[context_id]):
            alpha[row, column], beta[row, column], worth[row, column] = arm.alpha, arm.beta, float(arm.price)
    probabilities = choice_probabilities(alpha, beta, worth, rng, floor=PROPENSITY_FLOOR)
    by_id = {context.pk: context for context in contexts.values()}
    sets = ChoiceSet.objects.bulk_create(
        _choice_set(by_id[pk], arms[pk], row, now) for pk, row in zip(order, probabilities.tolist(), strict=True)
    )
    rows = [row_of[contexts[key].pk] for key in keys]
    points = rng.random(len(rows))
    columns, propensities = choose_arms(probabilities[rows], points)
    return [
        _Draw(sets[row], arms[order[row]][column], propensity, point)
        for row, column, propensity, point in zip(
            rows, columns.tolist(), propensities.tolist(), points.tolist(), strict=True
        )
    ]


def _choice_set(
    context: BanditContext, arms: Sequence[BanditArm], probabilities: Sequence[float], now: datetime
) -> ChoiceSet:
    return ChoiceSet(
        context=context,
        prices=[arm.price for arm in arms],
        alphas=[arm.alpha for arm in arms],
        betas=[arm.beta for arm in arms],
        probabilities=list(probabilities[: len(arms)]),
        made_at=now,
    )


def _contexts(keys: set[ContextKey]) -> dict[ContextKey, BanditContext]:
    """Return the contexts, made where they are new; in key order, so that two processes cannot block each other."""

    def known() -> dict[ContextKey, BanditContext]:
        listings, locations = {key[0] for key in keys}, {key[1] for key in keys}
        rows = BanditContext.objects.filter(listing__in=listings, location__in=locations)
        found = {(row.listing_id, row.location, row.intensity): row for row in rows}
        return {key: found[key] for key in keys & found.keys()}

    found = known()
    if missing := sorted(keys - found.keys()):
        rows = [BanditContext(listing_id=listing, location=where, intensity=level) for listing, where, level in missing]
        BanditContext.objects.bulk_create(rows, ignore_conflicts=True)
        found = known()
    return found


def _arms(contexts: Iterable[BanditContext], ladders: dict[int, Ladder]) -> dict[int, list[BanditArm]]:
    """Return the arms of each context that are on its listing's ladder today, by rising price."""
    wanted: dict[int, set[Decimal]] = {}
    for context in contexts:
        ladder = ladders[context.listing_id]
        exponent = ladder.listing.channel.currency_exponent
        wanted[context.pk] = {from_ticks(ticks, exponent) for ticks in ladder.prices}

    def known() -> dict[int, list[BanditArm]]:
        found: dict[int, list[BanditArm]] = {pk: [] for pk in wanted}
        for arm in BanditArm.objects.filter(context__in=wanted).order_by("context", "price"):
            if arm.price in wanted[arm.context_id]:
                found[arm.context_id].append(arm)
        return found

    found = known()
    missing = [
        BanditArm(context_id=pk, price=price)
        for pk in sorted(wanted)
        for price in sorted(wanted[pk] - {arm.price for arm in found[pk]})
    ]
    if missing:
        BanditArm.objects.bulk_create(missing, ignore_conflicts=True, batch_size=2000)
        found = known()
    return found
