"""What shoppers did becomes knowledge: every outcome moves one posterior, once."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from experiments.models import ExpiryMark, PricingDecision
from experiments.selectors.arm_counts import epoch_of
from experiments.services.arm_counts import ArmEpoch, add_counts
from experiments.services.decide_prices import OUTCOME_WINDOW

State = PricingDecision.State
SETTLED = {State.PURCHASED.value, State.REJECTED.value}

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much the clocks of shops may differ from ours."""

EXPIRED_AT_ONCE = 5_000


@dataclass(frozen=True)
class Outcome:
    """The shopper to whom a decision was shown bought, or did not."""

    decision_id: uuid.UUID
    purchased: bool
    occurred_at: datetime

    @property
    def state(self) -> str:
        return State.PURCHASED.value if self.purchased else State.REJECTED.value


@dataclass
class OutcomeReport:
    """What became of a batch of outcomes; every outcome is in exactly one of the lists.

    ``contexts``: where something was learned.
    """

    learned: list[Outcome] = field(default_factory=list)
    premature: list[Outcome] = field(default_factory=list)
    duplicates: list[Outcome] = field(default_factory=list)
    conflicting: list[Outcome] = field(default_factory=list)
    late: list[Outcome] = field(default_factory=list)
    unknown: list[Outcome] = field(default_factory=list)
    contexts: set[int] = field(default_factory=set)


@transaction.atomic(savepoint=False)
def record_outcomes(*, outcomes: Sequence[Outcome], now: datetime) -> OutcomeReport:
    """Settle decisions and count what came of their arms, each decision once.

    The rules, which do not depend on when or how often a message arrives:

    - the first outcome of a decision counts; the same again is a duplicate, another one is conflicting: both are
      counted and teach nothing;
    - without an outcome within ``OUTCOME_WINDOW`` the decision expires and counts as a rejection: nobody bought;
    - an outcome that happened in that time counts however late it arrives: a purchase takes the assumed rejection back;
    - an outcome that happened after it is late: the decision is expired, with its assumed rejection;
    - an outcome that happened more than ``CLOCK_TOLERANCE`` before its decision is premature and teaches nothing: it
      answers something else;
    - a decision id that is not here is unknown: decisions are committed before anyone hears of them.

    An outcome counts in the epoch of its decision. Locks decisions, then the counts of their arms, each in key order.
    """
    report = OutcomeReport()
    learning = _Learning(now)
    decisions = _locked(LOCK_SQL, {"ids": list({outcome.decision_id for outcome in outcomes})})
    for outcome in outcomes:
        decision = decisions.get(outcome.decision_id)
        if decision is None:
            report.unknown.append(outcome)
        elif decision.state in SETTLED:
            (report.duplicates if decision.state == outcome.state else report.conflicting).append(outcome)
        elif outcome.occurred_at < decision.decided_at - CLOCK_TOLERANCE:
            report.premature.append(outcome)
        elif outcome.occurred_at > decision.decided_at + OUTCOME_WINDOW:
            report.late.append(outcome)
            learning.expire(decision)
        else:
            report.learned.append(outcome)
            learning.settle(decision, outcome)
    learning.store()
    report.contexts = {decision.context_id for decision in learning.changed.values()}
    return report


@transaction.atomic
def expire_decisions(*, now: datetime, limit: int = EXPIRED_AT_ONCE) -> int:
    """Expire the oldest decisions whose outcome is overdue, each counted as a rejection; return how many.

    One process at a time: another returns 0. Decisions before `ExpiryMark` are settled already and not looked at.
    """
    ExpiryMark.objects.get_or_create(pk=1)
    mark = ExpiryMark.objects.select_for_update(skip_locked=True).first()
    if mark is None:
        return 0
    overdue = now - OUTCOME_WINDOW
    chosen = {"since": mark.expired_until, "until": overdue, "limit": limit}
    learning = _Learning(now)
    for decision in _locked(OVERDUE_SQL, chosen).values():
        learning.expire(decision)
    learning.store()
    if len(learning.changed) < limit:
        mark.expired_until = overdue
        mark.save()
    return len(learning.changed)


@dataclass(slots=True)
class _Decision:
    """What learning reads of a stored decision."""

    pk: int
    decision_id: uuid.UUID
    context_id: int
    arm_id: int
    decided_at: datetime
    state: str
    outcome_at: datetime | None = None


LOCK_SQL = """
SELECT id, decision_id, context_id, arm_id, decided_at, state
  FROM experiments_pricingdecision WHERE decision_id = ANY(%(ids)s) ORDER BY id FOR UPDATE
"""
OVERDUE_SQL = """
SELECT id, decision_id, context_id, arm_id, decided_at, state FROM experiments_pricingdecision
 WHERE state = 'waiting' AND decided_at < %(until)s AND (%(since)s::timestamptz IS NULL OR decided_at >= %(since)s)
 ORDER BY decided_at, id LIMIT %(limit)s FOR UPDATE
"""


def _locked(statement: str, parameters: dict[str, Any]) -> dict[uuid.UUID, _Decision]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {row[1]: _Decision(*row) for row in cursor.fetchall()}


class _Learning:
    """New states of locked decisions, and by how much the counts of arms move."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.changed: dict[int, _Decision] = {}
        self.purchases: Counter[ArmEpoch] = Counter()
        self.rejections: Counter[ArmEpoch] = Counter()

    def settle(self, decision: _Decision, outcome: Outcome) -> None:
        key = (decision.arm_id, epoch_of(decision.decided_at))
        if decision.state == State.EXPIRED:
            self.rejections[key] -= 1
        (self.purchases if outcome.purchased else self.rejections)[key] += 1
        decision.outcome_at = outcome.occurred_at
        self._move(decision, outcome.state)

    def expire(self, decision: _Decision) -> None:
        if decision.state == State.WAITING:
            self.rejections[decision.arm_id, epoch_of(decision.decided_at)] += 1
            self._move(decision, State.EXPIRED.value)

    def _move(self, decision: _Decision, state: str) -> None:
        decision.state = state
        self.changed[decision.pk] = decision

    def store(self) -> None:
        if self.changed:
            _store_states(list(self.changed.values()), self.now)
            add_counts(purchases=self.purchases, rejections=self.rejections)


STORE_STATES_SQL = """
UPDATE experiments_pricingdecision decision
   SET state = news.state, outcome_at = news.outcome_at, settled_at = %s
  FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS news(id, state, outcome_at)
 WHERE decision.id = news.id
"""


def _store_states(decisions: Sequence[_Decision], now: datetime) -> None:
    columns = zip(*((row.pk, row.state, row.outcome_at) for row in decisions), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(STORE_STATES_SQL, [now, *(list(column) for column in columns)])
