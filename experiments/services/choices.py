"""What decisions choose from, and where it comes from: a policy's plan, else the reference policy at once."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import accumulate

import numpy as np
from django.db import transaction
from django.db.models import Max

from catalog.money import from_ticks
from experiments.models import BanditArm, BanditContext, BanditExperiment, ChoiceSet
from experiments.selectors.arm_counts import arm_totals
from experiments.selectors.ladder_cache import LadderCache
from experiments.selectors.ladders import Ladder
from experiments.services.touched import Touched
from experiments.stats.policy_names import REFERENCE_POLICY
from experiments.stats.thompson import choice_probabilities

PROPENSITY_FLOOR = 0.01
"""Every arm keeps this share, so that its reward stays measurable: with five arms 5 % of decisions explore evenly."""

MOST_KNOWN = 200_000
"""Choices and contexts that a process remembers, about a kilobyte each; then it begins anew from the database."""

FRESH = timedelta(seconds=2)
"""How long a process without a planner decides by what it read or worked out."""

ContextKey = tuple[int, str, str]
"""Listing, location, intensity."""

ContextPolicy = tuple[int, str]
"""Context, and the policy that decides there."""


@dataclass(frozen=True)
class Choice:
    """A stored set of arms with the probability of each."""

    set_id: int
    context_id: int
    policy: str
    arms: tuple[int, ...]
    prices: tuple[Decimal, ...]
    probabilities: tuple[float, ...]
    made_at: datetime

    @classmethod
    def of(cls, row: ChoiceSet) -> "Choice":
        return cls(
            row.pk,
            row.context_id,
            row.policy,
            tuple(row.arms or ()),
            tuple(row.prices),
            tuple(row.probabilities),
            row.made_at,
        )

    @cached_property
    def _cumulative(self) -> list[float]:
        return list(accumulate(self.probabilities))

    def arm_at(self, point: float) -> int:
        """Return the position that a point in [0, 1) draws, as `ChoiceSet.arm_at` does."""
        return bisect_right(self._cumulative, point * self._cumulative[-1])


@dataclass(frozen=True)
class Asked:
    """A context with the prices it may choose from today, and whose choice is wanted."""

    context_id: int
    policy: str
    ladder: Ladder
    worth: str = BanditExperiment.Worth.PRICE.value

    @cached_property
    def prices(self) -> tuple[Decimal, ...]:
        return tuple(from_ticks(ticks, self.ladder.listing.channel.currency_exponent) for ticks in self.ladder.prices)

    @property
    def worths(self) -> list[float]:
        """What a purchase is worth at each price, in the channel's currency."""
        cost = self.ladder.listing.unit_cost if self.worth == BanditExperiment.Worth.MARGIN else None
        return [float(price - (cost or 0)) for price in self.prices]


class ChoiceBook:
    """The choices that one process decides by, in memory.

    A choice is used only while its prices are those that are admissible now. Where a planner runs in the process
    (``is_planned``), it replaces choices as outcomes come in; else they are read again from the database after `FRESH`.
    A context that nobody has planned yet is decided by the reference policy, Beta–Bernoulli, from the same counts; for
    `FRESH` everywhere, so that it goes on learning where no plan comes.
    """

    def __init__(self, *, is_planned: bool = False) -> None:
        self.is_planned = is_planned
        self.ladders = LadderCache()
        self._contexts: dict[ContextKey, int] = {}
        self._choices: dict[ContextPolicy, Choice] = {}
        self.touched = Touched()
        """Contexts where something was decided or learned: their plan may be out of date."""

    def context_ids(self, keys: Iterable[ContextKey]) -> dict[ContextKey, int]:
        """Return the contexts, made where they are new."""
        wanted = set(keys)
        found = {key: self._contexts[key] for key in wanted & self._contexts.keys()}
        if missing := wanted - found.keys():
            news = context_ids(missing)
            transaction.on_commit(lambda: self._contexts.update(news))
            found |= news
        return found

    def keep(self, choices: Iterable[Choice]) -> None:
        """Decide by these from now on; call it after the commit that stored them."""
        self._remember({(choice.context_id, choice.policy): choice for choice in choices})

    def _remember(self, news: Mapping[ContextPolicy, Choice]) -> None:
        for known in (self._choices, self._contexts):
            if len(known) > MOST_KNOWN:
                known.clear()
        self._choices.update(news)

    def choices_for(
        self, asked: Mapping[ContextPolicy, Asked], *, now: datetime, rng: np.random.Generator
    ) -> dict[ContextPolicy, Choice]:
        """Return a choice for each that is asked; what was not known is kept after the surrounding commit."""
        found = {key: choice for key, one in asked.items() if (choice := self._usable(key, one, now))}
        sources: tuple[Callable[..., dict[ContextPolicy, Choice]], ...] = (_stored_choices, reference_choices)
        news: dict[ContextPolicy, Choice] = {}
        for source in sources:
            if missing := {key: one for key, one in asked.items() if key not in found and key not in news}:
                news |= source(missing, now=now, rng=rng)
        if news:
            transaction.on_commit(lambda: self._remember(news))
        return found | news

    def _usable(self, key: ContextPolicy, one: Asked, now: datetime) -> Choice | None:
        choice = self._choices.get(key)
        if choice is None or choice.prices != one.prices:
            return None
        is_planned = self.is_planned and choice.policy == one.policy
        return choice if is_planned or now - choice.made_at < FRESH else None


def _stored_choices(
    asked: Mapping[ContextPolicy, Asked], *, now: datetime, rng: np.random.Generator
) -> dict[ContextPolicy, Choice]:
    """Return the newest stored choices of the very policies that are asked, where their prices are today's."""
    wanted = {context_id for context_id, policy in asked if policy != REFERENCE_POLICY}
    if not wanted:
        return {}
    rows = ChoiceSet.objects.filter(context__in=wanted, arms__isnull=False)
    newest = rows.order_by("context", "policy", "-id").distinct("context", "policy")
    choices = {(row.context_id, row.policy): Choice.of(row) for row in newest}
    return {key: choices[key] for key, one in asked.items() if key in choices and choices[key].prices == one.prices}


def reference_choices(
    asked: Mapping[ContextPolicy, Asked], *, now: datetime, rng: np.random.Generator
) -> dict[ContextPolicy, Choice]:
    """Work out and store choices by Beta–Bernoulli Thompson sampling, from the counts of each context alone."""
    by_context = {one.context_id: one for one in asked.values()}
    arms = arms_of(by_context.values())
    totals = arm_totals([arm for row in arms.values() for arm in row])
    order = sorted(by_context)
    alpha, beta, worth = np.full((3, len(order), max(map(len, arms.values()))), np.nan)
    for row, context_id in enumerate(order):
        worths = by_context[context_id].worths
        for column, arm in enumerate(arms[context_id]):
            purchases, rejections = totals.get(arm, (0, 0))
            alpha[row, column], beta[row, column] = 1.0 + purchases, 1.0 + rejections
            worth[row, column] = worths[column]
    probabilities = choice_probabilities(alpha, beta, worth, rng, floor=PROPENSITY_FLOOR).tolist()
    stored = store_choices(
        [
            ChoiceSet(
                context_id=context_id,
                policy=REFERENCE_POLICY,
                arms=arms[context_id],
                prices=list(by_context[context_id].prices),
                alphas=alpha[row, :number].tolist(),
                betas=beta[row, :number].tolist(),
                probabilities=probabilities[row][:number],
                made_at=now,
            )
            for row, context_id in enumerate(order)
            if (number := len(arms[context_id]))
        ]
    )
    made = {choice.context_id: choice for choice in stored}
    return {key: made[one.context_id] for key, one in asked.items()}


def store_choices(rows: Sequence[ChoiceSet]) -> list[Choice]:
    return [Choice.of(row) for row in ChoiceSet.objects.bulk_create(rows)]


def arms_of(asked: Iterable[Asked]) -> dict[int, list[int]]:
    """Return the keys of each context's arms in the order of its prices, made where they are new."""
    prices = {one.context_id: one.prices for one in asked}
    found = arm_ids({(context, price) for context, row in prices.items() for price in row})
    return {context: [found[context, price] for price in row] for context, row in prices.items()}


def arm_ids(wanted: Collection[tuple[int, Decimal]]) -> dict[tuple[int, Decimal], int]:
    """Return arms by context and price, made where they are new; in key order, as `context_ids` does."""

    def known() -> dict[tuple[int, Decimal], int]:
        rows = BanditArm.objects.filter(context__in={context for context, _ in wanted})
        return {(context, price): pk for context, price, pk in rows.values_list("context", "price", "pk")}

    found = known()
    if missing := sorted(key for key in wanted if key not in found):
        rows = [BanditArm(context_id=context, price=price) for context, price in missing]
        BanditArm.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)
        found = known()
    return found


def context_ids(wanted: Collection[ContextKey]) -> dict[ContextKey, int]:
    """Return contexts, made where they are new; in key order, so that two processes cannot block each other."""

    def known() -> dict[ContextKey, int]:
        listings, locations = {key[0] for key in wanted}, {key[1] for key in wanted}
        rows = BanditContext.objects.filter(listing__in=listings, location__in=locations)
        found = {(row.listing_id, row.location, row.intensity): row.pk for row in rows}
        return {key: found[key] for key in wanted if key in found}

    found = known()
    if missing := sorted(key for key in wanted if key not in found):
        rows = [BanditContext(listing_id=listing, location=where, intensity=level) for listing, where, level in missing]
        BanditContext.objects.bulk_create(rows, ignore_conflicts=True)
        found = known()
    return found


def newest_choice_id() -> int:
    """Return the key of the last stored choice, 0 where there is none."""
    return ChoiceSet.objects.aggregate(newest=Max("pk"))["newest"] or 0


def choices_since(set_id: int) -> list[Choice]:
    """Return the choices that were stored after one, oldest first."""
    rows = ChoiceSet.objects.filter(pk__gt=set_id, arms__isnull=False).order_by("pk")
    return [Choice.of(row) for row in rows]
