"""What a batch of messages does, in one transaction: decisions, learning, features, dead letters, what follows."""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import numpy as np
from django.db import InterfaceError, OperationalError, transaction

from experiments.selectors.streams import PartitionKey
from experiments.services.choices import ChoiceBook
from experiments.services.decide_prices import DemandEvent, decide_prices
from experiments.services.record_experiment_reports import Report, record_experiment_reports
from experiments.services.record_outcomes import Outcome, record_outcomes
from experiments.services.streams import (
    Advance,
    StreamMovedError,
    Unusable,
    advance_offsets,
    bury_messages,
    enqueue_messages,
)
from optimizer.services.add_activity import PendingRefresh, add_activity
from optimizer.services.record_activity import View, record_activity
from streaming.experiment_messages import parse_report
from streaming.messages import (
    Message,
    PoisonError,
    dead_letter_message,
    decision_message,
    parse_demand_event,
    parse_outcome,
)
from streaming.topics import REPORTS, Topic

log = logging.getLogger(__name__)

M = TypeVar("M", DemandEvent, Outcome, Report)

# The fault is not in a message: nothing is stored, and the caller reads the same messages again.
TRY_AGAIN = (OperationalError, InterfaceError, StreamMovedError)


@dataclass(frozen=True)
class Memory:
    """What a process keeps from batch to batch; all of it may be lost."""

    book: ChoiceBook = field(default_factory=ChoiceBook)
    pending: PendingRefresh = field(default_factory=PendingRefresh)


def handle_batch(
    *,
    messages: Sequence[Message],
    cluster: str,
    advances: Mapping[PartitionKey, Advance],
    now: datetime,
    rng: np.random.Generator,
    memory: Memory | None = None,
) -> Counter[str]:
    """Store what the messages teach together with the offsets after them; return what was counted, by name.

    ``memory`` is what the caller keeps from batch to batch.

    All or nothing. Raises one of TRY_AGAIN if the database went away or another process has read on: nothing is stored
    then. Any other error belongs to some message: the batch is done one by one, and the guilty become dead letters.
    """
    memory = memory or Memory()
    try:
        with transaction.atomic():
            advance_offsets(cluster=cluster, advances=advances, now=now)
            return _learn(messages, now, rng, memory)
    except TRY_AGAIN:
        raise
    except Exception:
        log.exception("A batch of %d messages failed: doing them one by one.", len(messages))
    with transaction.atomic():
        advance_offsets(cluster=cluster, advances=advances, now=now)
        return sum((_learn_or_bury(message, now, rng, memory) for message in messages), Counter())


def _learn_or_bury(message: Message, now: datetime, rng: np.random.Generator, memory: Memory) -> Counter[str]:
    try:
        with transaction.atomic():
            return _learn([message], now, rng, memory)
    except TRY_AGAIN:
        raise
    except Exception as error:
        return _bury([message.unusable("failed", f"{type(error).__name__}: {error}")], now)


def _learn(messages: Sequence[Message], now: datetime, rng: np.random.Generator, memory: Memory) -> Counter[str]:
    letters: list[Unusable] = []
    demands = _parsed(messages, Topic.DEMAND_EVENTS, parse_demand_event, letters)
    outcomes = _parsed(messages, Topic.PRICING_OUTCOMES, parse_outcome, letters)
    views: list[View] = []
    held: list[DemandEvent] = []
    purchased: list[uuid.UUID] = []
    counts: Counter[str] = Counter()
    if demands:
        decide = decide_prices(events=[event for event, _ in demands], now=now, rng=rng, book=memory.book)
        enqueue_messages(messages=[decision_message(decided) for decided in decide.decided], now=now)
        unknown = set(map(id, decide.unknown_listing))
        letters += [message.unusable("unknown_listing") for event, message in demands if id(event) in unknown]
        counts += Counter(decided=len(decide.decided), duplicate_events=len(decide.duplicates))
        counts += Counter(f"held_{why}" for _, why in decide.held)
        views = [_view(decided.event) for decided in decide.decided]
        held = [event for event, _ in decide.held]
    if outcomes:
        learned = record_outcomes(outcomes=[outcome for outcome, _ in outcomes], now=now)
        transaction.on_commit(lambda: memory.book.touched.add(learned.contexts))
        purchased = [outcome.decision_id for outcome in learned.learned if outcome.purchased]
        strangers = set(map(id, learned.unknown))
        letters += [message.unusable("unknown_decision") for outcome, message in outcomes if id(outcome) in strangers]
        premature = set(map(id, learned.premature))
        letters += [message.unusable("before_decision") for outcome, message in outcomes if id(outcome) in premature]
        counts += Counter(
            learned=len(learned.learned),
            duplicate_outcomes=len(learned.duplicates),
            conflicting_outcomes=len(learned.conflicting),
            late_outcomes=len(learned.late),
        )
    if reports := _parsed_reports(messages, letters):
        counts += _count_reports(reports, letters, now)
    if held:
        record_activity(views=[_view(event) for event in held], purchased=[], now=now)
    add_activity(views=views, purchased=purchased, now=now, pending=memory.pending)
    return counts + _bury(letters, now)


def _parsed_reports(messages: Sequence[Message], letters: list[Unusable]) -> list[tuple[Report, Message]]:
    return [pair for topic in REPORTS for pair in _parsed(messages, topic, parse_report, letters)]


def _count_reports(reports: Sequence[tuple[Report, Message]], letters: list[Unusable], now: datetime) -> Counter[str]:
    """Count what shops report of experiments; what can never be counted becomes a letter."""
    heard = record_experiment_reports(reports=[report for report, _ in reports], now=now)
    letters += [
        message.unusable(each.reason, each.detail)
        for each, (_, message) in zip(heard, reports, strict=True)
        if each.reason
    ]
    return Counter(f"experiment_{each.verdict}" for each in heard if not each.reason)


def _view(event: DemandEvent) -> View:
    return View(event.event_id, event.channel, event.sku, event.demand, event.occurred_at)


def _parsed(
    messages: Sequence[Message], topic: Topic, parse: Callable[[Message], M], letters: list[Unusable]
) -> list[tuple[M, Message]]:
    found: list[tuple[M, Message]] = []
    for message in messages:
        if message.topic is topic:
            try:
                found.append((parse(message), message))
            except PoisonError as poison:
                letters.append(message.unusable(poison.reason, poison.detail))
    return found


def _bury(letters: list[Unusable], now: datetime) -> Counter[str]:
    if letters:
        bury_messages(letters=letters, now=now)
        enqueue_messages(messages=[dead_letter_message(letter, now) for letter in letters], now=now)
    return Counter(f"dead_{letter.reason}" for letter in letters)
