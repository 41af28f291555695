"""Demand events become prices: one arm drawn for each, with the propensity it was drawn with."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
from django.db import connection, transaction

from catalog.models.listing import PriceSource
from catalog.money import amount_text, from_ticks
from catalog.services.kill_check import check_switches_at_commit
from catalog.services.lowest_offers import record_offers
from experiments.models.bandit import decision_id_of
from experiments.selectors.arm_counts import epoch_of
from experiments.selectors.ladder_cache import Priceable
from experiments.selectors.ladders import Ladder
from experiments.services.arm_counts import add_counts
from experiments.services.choices import Asked, Choice, ChoiceBook, ContextPolicy

# An outcome counts if the shopper acted within this time of the decision, whenever we hear of it.
OUTCOME_WINDOW = timedelta(hours=24)


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


@transaction.atomic(savepoint=False)
def decide_prices(
    *, events: Sequence[DemandEvent], now: datetime, rng: np.random.Generator, book: ChoiceBook | None = None
) -> DecideReport:
    """Draw a price for every event that has none yet, and store the decisions.

    An event whose id was decided before is a duplicate, also within the batch. An unknown or inactive listing is not
    decided, nor is one without a cost, under a person's override or under a kill switch (``held``, with the reason).
    Prices are inside the guardrails of the current facts. They hold for their event; the channel's price in force is
    left as it is. Who decides, a champion or a challenger, follows from the event's id; by which choices: ``book``.

    Raises IntegrityError if another transaction decides one of the events at the same time, and at the commit if a
    kill switch was flipped meanwhile: then do it again.
    """
    report = DecideReport()
    book = book or ChoiceBook()
    fresh = _without_decided(events, report)
    for channel in sorted({event.channel for event in fresh}):
        _decide_channel(channel, [event for event in fresh if event.channel == channel], report, book, now, rng)
    return report


def _without_decided(events: Sequence[DemandEvent], report: DecideReport) -> list[DemandEvent]:
    ids = {event.event_id: decision_id_of(event.event_id) for event in events}
    with connection.cursor() as cursor:
        cursor.execute(SEEN_SQL, [list(ids.values())])
        seen = {decision_id for (decision_id,) in cursor.fetchall()}
    fresh: list[DemandEvent] = []
    for event in events:
        decision_id = ids[event.event_id]
        (report.duplicates if decision_id in seen else fresh).append(event)
        seen.add(decision_id)
    return fresh


def _decide_channel(
    channel: str,
    events: list[DemandEvent],
    report: DecideReport,
    book: ChoiceBook,
    now: datetime,
    rng: np.random.Generator,
) -> None:
    listings = book.ladders.priceable(channel=channel, skus={event.sku for event in events}, now=now)
    priced: list[DemandEvent] = []
    for event in events:
        listing = listings.get(event.sku)
        if listing is None:
            report.unknown_listing.append(event)
        elif listing.ladder.held_because:
            report.held.append((event, listing.ladder.held_because))
        else:
            priced.append(event)
    if not priced:
        return
    intensities = [
        listings[event.sku].intensity.intensity_of(demand=event.demand, supply=event.supply).value for event in priced
    ]
    choices = _choices(priced, intensities, listings, book, now, rng)
    points = rng.random(len(priced)).tolist()
    text = cache(amount_text)  # the same few prices are shown again and again
    rows = [
        _decide(event, intensity, choice, point, listings[event.sku].ladder, text, now)
        for event, intensity, choice, point in zip(priced, intensities, choices, points, strict=True)
    ]
    report.decided += [row.shown for row in rows]
    _store(rows, now)
    contexts = {row.choice.context_id for row in rows}
    transaction.on_commit(lambda: book.touched.add(contexts))
    offers = [(listings[event.sku].ladder.listing, row.price) for event, row in zip(priced, rows, strict=True)]
    record_offers(channel=offers[0][0].channel, offers=offers, now=now)
    decisions = [(listing, (PriceSource.BANDIT.value,)) for listing, _ in offers]
    check_switches_at_commit(channel_id=offers[0][0].channel_id, decisions=decisions)


def _choices(
    events: Sequence[DemandEvent],
    intensities: Sequence[str],
    listings: Mapping[str, Priceable],
    book: ChoiceBook,
    now: datetime,
    rng: np.random.Generator,
) -> list[Choice]:
    """Return what each event is decided by."""
    keys = [
        (listings[event.sku].ladder.listing.pk, event.location, intensity)
        for event, intensity in zip(events, intensities, strict=True)
    ]
    contexts = book.context_ids(keys)
    asked: dict[ContextPolicy, Asked] = {}
    wanted: list[ContextPolicy] = []
    for event, key in zip(events, keys, strict=True):
        own = listings[event.sku]
        each = (contexts[key], own.policies.policy_of(event.event_id))
        if each not in asked:
            asked[each] = Asked(*each, own.ladder, own.policies.worth)
        wanted.append(each)
    found = book.choices_for(asked, now=now, rng=rng)
    return [found[each] for each in wanted]


@dataclass(frozen=True, slots=True)
class _Decided:
    shown: DecidedPrice
    choice: Choice
    arm: int
    price: Decimal
    floor: Decimal
    point: float


def _decide(
    event: DemandEvent,
    intensity: str,
    choice: Choice,
    point: float,
    ladder: Ladder,
    text: Callable[[Decimal, int], str],
    now: datetime,
) -> _Decided:
    position = choice.arm_at(point)
    channel = ladder.listing.channel
    price = choice.prices[position]
    shown = DecidedPrice(
        decision_id=decision_id_of(event.event_id),
        event=event,
        intensity=intensity,
        price=text(price, channel.currency_exponent),
        list_price=text(ladder.listing.list_price, channel.currency_exponent),
        currency=channel.currency,
        propensity=choice.probabilities[position],
        decided_at=now,
        outcome_due_at=now + OUTCOME_WINDOW,
    )
    floor = from_ticks(ladder.floor, channel.currency_exponent)
    return _Decided(shown, choice, choice.arms[position], price, floor, point)


SEEN_SQL = "SELECT decision_id FROM experiments_pricingdecision WHERE decision_id = ANY(%s)"
COPY_SQL = """
COPY experiments_pricingdecision (decision_id, event_id, context_id, arm_id, price, floor, propensity, choice_set_id,
     point, decided_at, state) FROM STDIN
"""


def _store(rows: Sequence[_Decided], now: datetime) -> None:
    """COPY takes a third of the time of an INSERT."""
    moment = now.isoformat()
    lines = [
        f"{row.shown.decision_id}\t{row.shown.event.event_id}\t{row.choice.context_id}\t{row.arm}\t{row.price}\t"
        f"{row.floor}\t{row.shown.propensity!r}\t{row.choice.set_id}\t{row.point!r}\t{moment}\twaiting\n"
        for row in rows
    ]
    with connection.cursor() as cursor, cursor.copy(COPY_SQL) as copy:
        copy.write("".join(lines))
    add_counts(decided=Counter((row.arm, epoch_of(now)) for row in rows))
