"""What shoppers did becomes knowledge: every outcome moves one posterior, once."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction

from experiments.models import BanditArm, PricingDecision
from experiments.services.decide_prices import OUTCOME_WINDOW

State = PricingDecision.State

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
    def state(self) -> State:
        return State.PURCHASED if self.purchased else State.REJECTED


@dataclass
class OutcomeReport:
    """What became of a batch of outcomes; every outcome is in exactly one of them."""

    learned: list[Outcome] = field(default_factory=list)
    premature: list[Outcome] = field(default_factory=list)
    duplicates: list[Outcome] = field(default_factory=list)
    conflicting: list[Outcome] = field(default_factory=list)
    late: list[Outcome] = field(default_factory=list)
    unknown: list[Outcome] = field(default_factory=list)


@transaction.atomic
def record_outcomes(*, outcomes: Sequence[Outcome], now: datetime) -> OutcomeReport:
    """Settle decisions and update the posteriors of their arms, each decision once.

    The rules, which do not depend on when or how often a message arrives:

    - the first outcome of a decision counts; the same again is a duplicate, another one is conflicting: both are
      counted and teach nothing;
    - without an outcome within ``OUTCOME_WINDOW`` the decision expires and counts as a rejection: nobody bought;
    - an outcome that happened in that time counts however late it arrives: a purchase takes the assumed rejection back;
    - an outcome that happened after it is late: the decision is expired, with its assumed rejection;
    - an outcome that happened more than ``CLOCK_TOLERANCE`` before its decision is premature and teaches nothing: it
      answers something else;
    - a decision id that is not here is unknown: decisions are committed before anyone hears of them.

    Locks the decisions, then their arms, each in primary-key order.
    """
    report = OutcomeReport()
    ids = {outcome.decision_id for outcome in outcomes}
    locked = PricingDecision.objects.select_for_update().filter(decision_id__in=ids).order_by("pk")
    decisions = {decision.decision_id: decision for decision in locked}
    learning = _Learning(now)
    for outcome in outcomes:
        decision = decisions.get(outcome.decision_id)
        if decision is None:
            report.unknown.append(outcome)
        elif decision.state in {State.PURCHASED, State.REJECTED}:
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
    return report


@transaction.atomic
def expire_decisions(*, now: datetime, limit: int = EXPIRED_AT_ONCE) -> int:
    """Expire the oldest decisions whose outcome is overdue, each counted as a rejection; return how many.

    Decisions that another process holds are left to it.
    """
    overdue = PricingDecision.objects.filter(state=State.WAITING, decided_at__lt=now - OUTCOME_WINDOW)
    keys = overdue.order_by("decided_at").values_list("pk", flat=True)[:limit]
    rows = PricingDecision.objects.filter(pk__in=list(keys), state=State.WAITING)
    learning = _Learning(now)
    for decision in rows.select_for_update(skip_locked=True).order_by("pk"):
        learning.expire(decision)
    learning.store()
    return len(learning.changed)


class _Learning:
    """New states of locked decisions, and by how much each arm's posterior moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.changed: dict[int, PricingDecision] = {}
        self.purchases: Counter[int] = Counter()
        self.rejections: Counter[int] = Counter()

    def settle(self, decision: PricingDecision, outcome: Outcome) -> None:
        if decision.state == State.EXPIRED:
            self.rejections[decision.arm_id] -= 1
        (self.purchases if outcome.purchased else self.rejections)[decision.arm_id] += 1
        decision.outcome_at = outcome.occurred_at
        self._move(decision, outcome.state)

    def expire(self, decision: PricingDecision) -> None:
        if decision.state == State.WAITING:
            self.rejections[decision.arm_id] += 1
            self._move(decision, State.EXPIRED)

    def _move(self, decision: PricingDecision, state: State) -> None:
        decision.state, decision.settled_at = state, self.now
        self.changed[decision.pk] = decision

    def store(self) -> None:
        if self.changed:
            _store_states(list(self.changed.values()))
            _update_posteriors(self.purchases, self.rejections)


STORE_STATES_SQL = """
UPDATE experiments_pricingdecision decision
   SET state = news.state, outcome_at = news.outcome_at, settled_at = news.settled_at
  FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[])
       AS news(id, state, outcome_at, settled_at)
 WHERE decision.id = news.id
"""

UPDATE_POSTERIORS_SQL = """
UPDATE experiments_banditarm arm
   SET alpha = arm.alpha + news.purchases, beta = arm.beta + news.rejections
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS news(id, purchases, rejections)
 WHERE arm.id = news.id
"""


def _store_states(decisions: list[PricingDecision]) -> None:
    columns = zip(*((row.pk, str(row.state), row.outcome_at, row.settled_at) for row in decisions), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(STORE_STATES_SQL, [list(column) for column in columns])


def _update_posteriors(purchases: Counter[int], rejections: Counter[int]) -> None:
    arms = sorted(purchases.keys() | rejections.keys())
    # An UPDATE locks in no particular order; two processes must take shared arms in the same one.
    list(BanditArm.objects.select_for_update(no_key=True).filter(pk__in=arms).order_by("pk").values_list("pk"))
    with connection.cursor() as cursor:
        cursor.execute(
            UPDATE_POSTERIORS_SQL, [arms, [purchases[arm] for arm in arms], [rejections[arm] for arm in arms]]
        )
