"""How far the bandit has come: what it believes of each arm, and how much traffic goes to the arm it thinks best."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from scipy.special import betaincinv

from experiments.models import BanditArm, BanditContext, ChoiceSet, PricingDecision
from experiments.selectors.arm_counts import arm_totals

INTERVAL = (0.05, 0.95)


@dataclass(frozen=True)
class ArmStatus:
    """One arm: the Beta posterior of its purchase probability, and how many of the recent decisions drew it.

    ``probability``: with which the newest plan plays it.
    """

    price: Decimal
    purchases: int
    rejections: int
    mean: float
    low: float
    high: float
    recent: int
    probability: float = 0.0

    @property
    def reward(self) -> float:
        """Expected reward: price × purchase probability."""
        return float(self.price) * self.mean


@dataclass(frozen=True)
class ContextStatus:
    context: BanditContext
    arms: list[ArmStatus]

    @property
    def best(self) -> ArmStatus:
        """What the policy that decides here thinks best: it plays it most often."""
        return max(self.arms, key=lambda arm: (arm.probability, arm.reward))

    @property
    def recent(self) -> int:
        return sum(arm.recent for arm in self.arms)

    @property
    def best_share(self) -> float:
        return self.best.recent / self.recent if self.recent else 0.0


@dataclass(frozen=True)
class PolicyStatus:
    """A policy's recent decisions: how many, of how many the outcome is known, and what those earned each."""

    policy: str
    decisions: int
    settled: int
    reward: float


@dataclass(frozen=True)
class BanditStatus:
    """The contexts of the newest decisions, the busiest first; ``decisions``: how many those are."""

    contexts: list[ContextStatus]
    policies: list[PolicyStatus]
    decisions: int

    @property
    def best_share(self) -> float:
        """Share of the newest decisions at the arm that is now thought best in its context."""
        at_best = sum(context.best.recent for context in self.contexts)
        return at_best / self.decisions if self.decisions else 0.0


def bandit_status(*, channel: str, last: int) -> BanditStatus:
    """Return the state of every context among the ``last`` decisions of a channel; a few queries, however many."""
    newest = PricingDecision.objects.filter(context__listing__channel__code=channel).order_by("-pk")
    rows = list(newest.values_list("arm_id", "choice_set__policy", "state", "price")[:last])
    drawn = Counter(row[0] for row in rows)
    contexts = {
        row.pk: row
        for row in BanditContext.objects.filter(arms__in=list(drawn))
        .distinct()
        .select_related("listing__product", "listing__channel")
    }
    arms = list(BanditArm.objects.filter(context__in=contexts).order_by("context", "price"))
    totals = arm_totals([arm.pk for arm in arms])
    played = _newest_probabilities(contexts)
    by_context: dict[int, list[ArmStatus]] = {}
    for arm in arms:
        status = _arm_status(arm, totals, drawn, played)
        by_context.setdefault(arm.context_id, []).append(status)
    found = [ContextStatus(contexts[pk], each) for pk, each in by_context.items()]
    found.sort(key=lambda each: (-each.recent, each.context.pk))
    return BanditStatus(found, _policies(rows), len(rows))


@dataclass(frozen=True)
class ShareAt:
    """A slice of decisions: since when, how many, and the share at the arm that is thought best today."""

    since: datetime
    decisions: int
    share: float


def context_status(*, context: BanditContext, last: int) -> ContextStatus:
    """Return the arms of one context, and how the last decisions there were spread over them."""
    newest = PricingDecision.objects.filter(context=context).order_by("-pk").values_list("arm_id", flat=True)[:last]
    drawn = Counter(newest)
    arms = list(BanditArm.objects.filter(context=context).order_by("price"))
    totals = arm_totals([arm.pk for arm in arms])
    played = _newest_probabilities([context.pk])
    return ContextStatus(context, [_arm_status(arm, totals, drawn, played) for arm in arms])


def best_shares(*, channel: str, last: int, slices: int = 20) -> list[ShareAt]:
    """Cut the ``last`` decisions of a channel into slices, oldest first."""
    newest = PricingDecision.objects.filter(context__listing__channel__code=channel).order_by("-pk")
    rows = list(newest.values_list("decided_at", "context_id", "arm_id")[:last])[::-1]
    played = _newest_probabilities({context for _, context, _ in rows})
    best: dict[int, int] = {}
    for _, context, arm in rows:
        best[context] = max(best.get(context, arm), arm, key=lambda each: played.get(each, 0.0))
    size = -(-len(rows) // slices) or 1
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        ShareAt(part[0][0], len(part), sum(best[context] == arm for _, context, arm in part) / len(part))
        for part in parts
    ]


def _newest_probabilities(context_ids: Iterable[int]) -> dict[int, float]:
    """Return by arm with which probability it is played by the newest choice set of its context."""
    rows = ChoiceSet.objects.filter(context__in=list(context_ids), arms__isnull=False)
    newest = rows.order_by("context", "-id").distinct("context").values_list("arms", "probabilities")
    return {arm: share for arms, shares in newest for arm, share in zip(arms or (), shares, strict=True)}


def _arm_status(
    arm: BanditArm, totals: Mapping[int, tuple[int, int]], drawn: Mapping[int, int], played: Mapping[int, float]
) -> ArmStatus:
    purchases, rejections = totals.get(arm.pk, (0, 0))
    alpha, beta = 1 + purchases, 1 + rejections
    low, high = (float(betaincinv(alpha, beta, end)) for end in INTERVAL)
    mean = alpha / (alpha + beta)
    recent = drawn.get(arm.pk, 0)
    return ArmStatus(arm.price, purchases, rejections, mean, low, high, recent, played.get(arm.pk, 0.0))


def _policies(rows: Iterable[tuple[Any, ...]]) -> list[PolicyStatus]:
    decided: Counter[str] = Counter()
    settled: Counter[str] = Counter()
    earned: Counter[str] = Counter()
    for _arm, policy, state, price in rows:
        name = policy or ""
        decided[name] += 1
        if state != PricingDecision.State.WAITING:
            settled[name] += 1
            earned[name] += price if state == PricingDecision.State.PURCHASED else 0
    return [
        PolicyStatus(name, number, settled[name], float(earned[name]) / settled[name] if settled[name] else 0.0)
        for name, number in decided.most_common()
    ]
