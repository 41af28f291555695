"""What policies would have earned in a period, from the bandit's own ledger of decisions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
from django.db import connection, transaction

from experiments.stats.off_policy import OffPolicyResult, OffPolicySums
from experiments.stats.target_policies import POLICIES, Offer

ROWS_AT_ONCE = 20_000
PSEUDO_DECISIONS = 4.0
"""How strongly the reward model is drawn to the mean purchase rate of all."""

DECISIONS = """
  FROM experiments_pricingdecision decision
  JOIN experiments_choiceset offered ON offered.id = decision.choice_set_id
  JOIN experiments_banditcontext context ON context.id = decision.context_id
  JOIN catalog_listing listing ON listing.id = context.listing_id
  JOIN catalog_channel channel ON channel.id = listing.channel_id
 WHERE channel.code = %(channel)s AND decision.decided_at >= %(since)s AND decision.decided_at < %(until)s
   AND decision.state <> 'waiting'
"""
LEARNED_SQL = f"""
SELECT decision.context_id, decision.price, decision.choice_set_id %% 2,
       count(*), count(*) FILTER (WHERE decision.state = 'purchased')
{DECISIONS} GROUP BY 1, 2, 3
"""
GROUPS_SQL = f"""
SELECT offered.id, decision.context_id, decision.price, count(*),
       count(*) FILTER (WHERE decision.state = 'purchased'),
       offered.prices, offered.probabilities, offered.alphas, offered.betas, listing.list_price
{DECISIONS} GROUP BY offered.id, decision.context_id, decision.price, listing.list_price
"""


@dataclass(frozen=True)
class PolicyValue:
    """A policy's value; ``problem`` says why there is none."""

    policy: str
    result: OffPolicyResult | None
    problem: str = ""


def policy_values(
    *, channel: str, since: datetime, until: datetime, policies: Sequence[str] = tuple(POLICIES)
) -> list[PolicyValue]:
    """Evaluate policies by name over the settled decisions of a period: reward a decision, in the channel's currency.

    Reward is the price where it was paid, else 0; a decision that expired was not paid. The reward model of a decision
    is learned from the other half of the choice sets. Reads groups of alike decisions, not decisions.

    Raises:
        KeyError: an unknown policy.
    """
    chosen = {name: POLICIES[name] for name in policies}
    sums = {name: OffPolicySums() for name in chosen}
    period = {"channel": channel, "since": since, "until": until}
    with transaction.atomic():
        model = _RewardModel(_rows(LEARNED_SQL, period))
        rows = _rows(GROUPS_SQL, period)
        while batch := [_Group(row, model) for row in islice(rows, ROWS_AT_ONCE)]:
            for name, policy in chosen.items():
                _add(sums[name], batch, [policy(group.offer) for group in batch])
    return [_value(name, found) for name, found in sums.items()]


def _rows(statement: str, period: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield rows as the server hands them out: a long period need not fit into memory."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, period)
        while some := cursor.fetchmany(ROWS_AT_ONCE):
            yield from some


class _RewardModel:
    """Purchase rates by context and price, of each half of the choice sets."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self.counts: dict[tuple[int, float, int], tuple[int, int]] = {}
        self.totals = np.zeros((2, 2))
        for context, price, half, number, bought in rows:
            self.counts[context, float(price), half] = (number, bought)
            self.totals[half] += (number, bought)

    def rewards(self, context: int, prices: Sequence[float], half: int) -> list[float]:
        number, bought = self.totals[half]
        mean = bought / number if number else 0.0
        found = [self.counts.get((context, price, half), (0, 0)) for price in prices]
        return [
            price * (paid + PSEUDO_DECISIONS * mean) / (seen + PSEUDO_DECISIONS)
            for price, (seen, paid) in zip(prices, found, strict=True)
        ]


class _Group:
    """Alike decisions: of one choice set, at one price."""

    def __init__(self, row: tuple[Any, ...], model: _RewardModel) -> None:
        choice_set, context, price, number, bought, prices, probabilities, alphas, betas, list_price = row
        known = [float(each) for each in prices]
        self.price, self.number, self.bought = float(price), number, bought
        self.arm = known.index(self.price)
        self.offer = Offer(
            np.array(known), np.array(probabilities), np.array(alphas), np.array(betas), float(list_price)
        )
        self.modelled = np.array(model.rewards(context, known, 1 - choice_set % 2))


def _add(sums: OffPolicySums, groups: Sequence[_Group], targets: Sequence[Any]) -> None:
    """Add each group twice: those who bought, and those who did not."""
    columns = {
        "propensity": [group.offer.probabilities[group.arm] for group in groups],
        "target": [target[group.arm] for group, target in zip(groups, targets, strict=True)],
        "modelled": [group.modelled[group.arm] for group in groups],
        "direct": [float(target @ group.modelled) for group, target in zip(groups, targets, strict=True)],
    }
    twice = {name: np.tile(np.array(column, dtype=np.float64), 2) for name, column in columns.items()}
    prices = np.array([group.price for group in groups])
    bought = np.array([group.bought for group in groups], dtype=np.float64)
    number = np.array([group.number for group in groups], dtype=np.float64)
    sums.add(
        reward=np.concatenate([prices, np.zeros(len(groups))]),
        number=np.concatenate([bought, number - bought]),
        **twice,
    )


def _value(name: str, sums: OffPolicySums) -> PolicyValue:
    try:
        return PolicyValue(name, sums.result())
    except ValueError as error:
        return PolicyValue(name, None, str(error))
