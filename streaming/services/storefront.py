"""Decisions and outcomes for a storefront that does not speak Kafka: the same services, the same topics."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db import IntegrityError, transaction

from catalog.money import amount_text
from experiments.models import PricingDecision
from experiments.models.bandit import decision_id_of
from experiments.services.choices import ChoiceBook
from experiments.services.decide_prices import OUTCOME_WINDOW, DecidedPrice, DemandEvent, decide_prices
from experiments.services.record_outcomes import Outcome
from experiments.services.streams import enqueue_messages
from optimizer.services.record_activity import View, record_activity
from streaming.messages import decision_message, outcome_message


class NotDecided(ValueError):
    """No price was drawn; ``reason`` is ``unknown_listing`` or why the listing is held."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


BOOK = ChoiceBook()
"""What this process decides by: what `run_bandit` has planned, else the reference policy."""


def decide_now(*, event: DemandEvent, now: datetime, rng: np.random.Generator) -> DecidedPrice:
    """Return the price of a demand event, drawn the first time it is asked for and the same ever after.

    The decision, the features and the message to ``pricing_decisions`` commit together.

    Raises:
        NotDecided: the listing is unknown or held.
    """
    try:
        return _decided_before(event) or _decide(event, now, rng)
    except IntegrityError:
        # The same event at the same time, in another process: that one's decision stands.
        if (decided := _decided_before(event)) is not None:
            return decided
        raise


@transaction.atomic
def _decide(event: DemandEvent, now: datetime, rng: np.random.Generator) -> DecidedPrice:
    report = decide_prices(events=[event], now=now, rng=rng, book=BOOK)
    if report.unknown_listing:
        raise NotDecided("unknown_listing")
    if report.held:
        raise NotDecided(report.held[0][1])
    (decided,) = report.decided
    enqueue_messages(messages=[decision_message(decided)], now=now)
    view = View(event.event_id, event.channel, event.sku, event.demand, event.occurred_at)
    record_activity(views=[view], purchased=[], now=now)
    return decided


def _decided_before(event: DemandEvent) -> DecidedPrice | None:
    row = (
        PricingDecision.objects.filter(decision_id=decision_id_of(event.event_id))
        .select_related("context__listing__channel", "context__listing__product")
        .first()
    )
    if row is None:
        return None
    listing = row.context.listing
    exponent = listing.channel.currency_exponent
    return DecidedPrice(
        decision_id=row.decision_id,
        event=event,
        intensity=row.context.intensity,
        price=amount_text(row.price, exponent),
        list_price=amount_text(listing.list_price, exponent),
        currency=listing.channel.currency,
        propensity=row.propensity,
        decided_at=row.decided_at,
        outcome_due_at=row.decided_at + OUTCOME_WINDOW,
    )


@transaction.atomic
def publish_outcomes(*, outcomes: Sequence[Outcome], now: datetime) -> list[Outcome]:
    """Have outcomes sent to ``pricing_outcomes``, where the bandit learns each once; return those of unknown decisions.

    Nothing is learned here: sent twice, an outcome is a duplicate to the consumer.
    """
    ids = [outcome.decision_id for outcome in outcomes]
    rows = PricingDecision.objects.filter(decision_id__in=ids).select_related(
        "context__listing__channel", "context__listing__product"
    )
    contexts = {row.decision_id: row.context for row in rows}
    known = [outcome for outcome in outcomes if outcome.decision_id in contexts]
    enqueue_messages(
        messages=[
            outcome_message(
                outcome,
                channel=(context := contexts[outcome.decision_id]).listing.channel.code,
                sku=context.listing.product.sku,
                location=context.location,
            )
            for outcome in known
        ],
        now=now,
    )
    return [outcome for outcome in outcomes if outcome.decision_id not in contexts]
