"""Work out by each experiment's policies what contexts choose from next."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from numpy.typing import NDArray

from experiments.models import BanditContext, ChoiceSet
from experiments.selectors.arm_counts import epoch_of, outcome_counts
from experiments.selectors.bandit_experiments import ExperimentBook
from experiments.selectors.ladders import LADDER_BP, price_ladders
from experiments.services.choices import (
    MOST_KNOWN,
    PROPENSITY_FLOOR,
    Asked,
    Choice,
    ContextPolicy,
    arms_of,
    store_choices,
)
from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policies import POLICIES
from experiments.stats.policy import BanditPolicy

POOL = 64
"""Contexts that teach each other: of one channel and category, in the order of their keys."""
POLICIES_KEPT = 8
"""Policies remember what they folded; of so many pools at a time. The default one takes 80 MB a pool."""
LEAST_CHANGE = 0.005
"""Choices whose probabilities all moved by less are left as they are: most of it is Monte Carlo noise."""

PoolKey = tuple[str, int | None, int]


@dataclass(frozen=True)
class _Pool:
    """The contexts of a pool that may be priced today; keys and worth of arms, (context, step), 0 and NaN: none."""

    key: PoolKey
    asked: Sequence[Asked]
    arms: NDArray[np.int64]
    worth: NDArray[np.float64]


class ChoicePlanner:
    """Works out and stores what contexts choose from, and remembers it: what hardly moved is not stored again."""

    def __init__(self, *, rng: np.random.Generator) -> None:
        self.rng = rng
        self._stored: dict[ContextPolicy, Choice] = {}
        self._policies: OrderedDict[tuple[PoolKey, str], BanditPolicy] = OrderedDict()

    def plan(self, context_ids: Collection[int], *, now: datetime) -> list[Choice]:
        """Return the choices that are new, a transaction a pool.

        Contexts of the same pool teach each other, also those that were not asked for; only for these are choices made.
        """
        return [
            choice
            for key in sorted(_pools_of(context_ids), key=str)
            for choice in self._plan_pool(key, set(context_ids), now)
        ]

    @transaction.atomic
    def _plan_pool(self, key: PoolKey, wanted: set[int], now: datetime) -> list[Choice]:
        channel, contexts = key[0], _contexts_of(key)
        ladders = price_ladders(channel=channel, skus={row.listing.product.sku for row in contexts}, now=now)
        found = [(row, ladders.get(row.listing.product.sku)) for row in contexts]
        priced = [(row, ladder) for row, ladder in found if ladder and ladder.prices]
        if not priced:
            return []
        policies = ExperimentBook.read(channel=channel).policies_of(priced[0][1].listing)
        pool = _pool(key, [Asked(row.pk, policies.champion, ladder, policies.worth) for row, ladder in priced])
        epoch = epoch_of(now)
        counts = outcome_counts(pool.arms, epoch=epoch)
        rows = [row for name in policies.names for row in self._choices(name, pool, counts, wanted, epoch, now)]
        choices = store_choices(rows)
        if len(self._stored) > MOST_KNOWN:
            self._stored.clear()
        self._stored |= {(choice.context_id, choice.policy): choice for choice in choices}
        return choices

    def _choices(
        self, name: str, pool: _Pool, counts: OutcomeCounts, wanted: set[int], epoch: int, now: datetime
    ) -> list[ChoiceSet]:
        policy = self._policy(pool.key, name)
        probabilities = policy.propensities(counts, pool.worth, epoch=epoch, rng=self.rng)
        purchases, rejections = counts.purchases.sum(axis=0), counts.rejections.sum(axis=0)
        rows = []
        for at, one in enumerate(pool.asked):
            steps = list(one.ladder.steps)
            news = probabilities[at, steps].tolist()
            if one.context_id in wanted and self._is_news(one, name, news):
                rows.append(
                    ChoiceSet(
                        context_id=one.context_id,
                        policy=name,
                        arms=pool.arms[at, steps].tolist(),
                        prices=list(one.prices),
                        alphas=(1.0 + purchases[at, steps]).tolist(),
                        betas=(1.0 + rejections[at, steps]).tolist(),
                        probabilities=news,
                        made_at=now,
                    )
                )
        return rows

    def _is_news(self, one: Asked, name: str, probabilities: Sequence[float]) -> bool:
        known = self._stored.get((one.context_id, name))
        if known is None or known.prices != one.prices:
            return True
        moves = (abs(new - old) for new, old in zip(probabilities, known.probabilities, strict=True))
        return max(moves) > LEAST_CHANGE

    def _policy(self, pool: PoolKey, name: str) -> BanditPolicy:
        key = (pool, name)
        self._policies.setdefault(key, POLICIES[name](floor=PROPENSITY_FLOOR))
        self._policies.move_to_end(key)
        while len(self._policies) > POLICIES_KEPT:
            self._policies.popitem(last=False)
        return self._policies[key]


def _pools_of(context_ids: Collection[int]) -> set[PoolKey]:
    scope = ("listing__channel__code", "listing__product__category")
    rows = BanditContext.objects.filter(pk__in=list(context_ids)).values_list(*scope, "pk")
    by_scope: dict[tuple[str, int | None], set[int]] = {}
    for channel, category, pk in rows:
        by_scope.setdefault((channel, category), set()).add(pk)
    return {
        (channel, category, number // POOL)
        for (channel, category), keys in by_scope.items()
        for number, pk in enumerate(_in_scope(channel, category).values_list("pk", flat=True))
        if pk in keys
    }


def _in_scope(channel: str, category: int | None) -> QuerySet[BanditContext]:
    rows = BanditContext.objects.filter(listing__channel__code=channel, listing__product__category=category)
    return rows.order_by("pk")


def _contexts_of(key: PoolKey) -> list[BanditContext]:
    channel, category, number = key
    rows = _in_scope(channel, category).select_related("listing__product")
    return list(rows[number * POOL : (number + 1) * POOL])


def _pool(key: PoolKey, asked: Sequence[Asked]) -> _Pool:
    keys = arms_of(asked)
    arms = np.zeros((len(asked), len(LADDER_BP)), np.int64)
    worth = np.full(arms.shape, np.nan)
    for row, one in enumerate(asked):
        steps = list(one.ladder.steps)
        arms[row, steps], worth[row, steps] = keys[one.context_id], one.worths
    return _Pool(key, asked, arms, worth)
