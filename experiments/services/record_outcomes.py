"""What shoppers did becomes knowledge: every outcome moves one posterior, once."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from experiments.models import BanditArm, PricingDecision
from experiments.services.decide_prices import OUTCOME_WINDOW

State = PricingDecision.State


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
    - an outcome that happened after ``OUTCOME_WINDOW`` is late: the decision expires and teaches nothing;
    - an outcome that happened in time counts even if the decision has been marked expired meanwhile;
    - a decision id that is not here is unknown: decisions are committed before anyone hears of them.

    Locks the decisions, then their arms, each in primary-key order.
    """
    report = OutcomeReport()
    ids = {outcome.decision_id for outcome in outcomes}
    locked = PricingDecision.objects.select_for_update().filter(decision_id__in=ids).order_by("pk")
    decisions = {decision.decision_id: decision for decision in locked}
    changed: dict[int, PricingDecision] = {}
    purchases: Counter[int] = Counter()
    rejections: Counter[int] = Counter()
    for outcome in outcomes:
        decision = decisions.get(outcome.decision_id)
        if decision is None:
            report.unknown.append(outcome)
        elif decision.state in {State.PURCHASED, State.REJECTED}:
            (report.duplicates if decision.state == outcome.state else report.conflicting).append(outcome)
        elif outcome.occurred_at > decision.decided_at + OUTCOME_WINDOW:
            report.late.append(outcome)
            decision.state, decision.settled_at = State.EXPIRED, now
            changed[decision.pk] = decision
        else:
            report.learned.append(outcome)
            decision.state, decision.outcome_at, decision.settled_at = outcome.state, outcome.occurred_at, now
            changed[decision.pk] = decision
            (purchases if outcome.purchased else rejections)[decision.arm_id] += 1
    if changed:
        _store_states(list(changed.values()))
        _update_posteriors(purchases, rejections)
    return report


def expire_decisions(*, now: datetime) -> int:
    """Expire decisions whose outcome is overdue: they teach nothing, but an outcome that was in time still counts."""
    overdue = PricingDecision.objects.filter(state=State.WAITING, decided_at__lt=now - OUTCOME_WINDOW)
    return overdue.update(state=State.EXPIRED, settled_at=now)


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
