"""How far the bandit has come: what it believes of each arm, and how much traffic goes to the arm it thinks best."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
class ShareAt:
    """A slice of decisions: since when, how many, and the share at the arm that is thought best today."""

    since: datetime
    decisions: int
    share: float


@dataclass(frozen=True)
class BanditStatus:
    """What is known of the newest decisions, of which there are ``decisions``.

    ``contexts``: the busiest first; ``shares``: slices of the decisions, the oldest first.
    """

    contexts: list[ContextStatus]
    policies: list[PolicyStatus]
    shares: list[ShareAt]
    decisions: int

    @property
    def best_share(self) -> float:
        """Share of the newest decisions at the arm that is now thought best in its context."""
        at_best = sum(context.best.recent for context in self.contexts)
        return at_best / self.decisions if self.decisions else 0.0


def bandit_status(*, channel: str, last: int, slices: int = 20) -> BanditStatus:
    """Return the state of every context among the ``last`` decisions of a channel; five queries, however many."""
    newest = PricingDecision.objects.filter(context__listing__channel__code=channel).order_by("-pk")
    fields = ("decided_at", "context_id", "arm_id", "price", "state", "choice_set__policy")
    rows = list(newest.values_list(*fields, named=True)[:last])
    contexts = BanditContext.objects.filter(pk__in={row.context_id for row in rows})
    found = _statuses(
        contexts.select_related("listing__product", "listing__channel"), Counter(row.arm_id for row in rows)
    )
    found.sort(key=lambda each: (-each.recent, each.context.pk))
    return BanditStatus(found, _policies(rows), _shares(rows[::-1], found, slices), len(rows))


def context_status(*, context: BanditContext, last: int) -> ContextStatus:
    """Return the arms of one context, and how the last decisions there were spread over them."""
    newest = PricingDecision.objects.filter(context=context).order_by("-pk").values_list("arm_id", flat=True)[:last]
    (status,) = _statuses([context], Counter(newest))
    return status


def _statuses(contexts: Iterable[BanditContext], drawn: Mapping[int, int]) -> list[ContextStatus]:
    found = {context.pk: ContextStatus(context, []) for context in contexts}
    arms = list(BanditArm.objects.filter(context__in=found).order_by("context", "price"))
    totals = arm_totals([arm.pk for arm in arms])
    played = _newest_probabilities(found)
    for arm in arms:
        found[arm.context_id].arms.append(_arm_status(arm, totals, drawn, played))
    return list(found.values())


def _shares(rows: Sequence[Any], contexts: Iterable[ContextStatus], slices: int) -> list[ShareAt]:
    best = {each.context.pk: each.best.price for each in contexts}
    size = -(-len(rows) // slices) or 1
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        ShareAt(part[0].decided_at, len(part), sum(best[row.context_id] == row.price for row in part) / len(part))
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


def _policies(rows: Iterable[Any]) -> list[PolicyStatus]:
    decided: Counter[str] = Counter()
    settled: Counter[str] = Counter()
    earned: Counter[str] = Counter()
    for row in rows:
        name = row.choice_set__policy or ""
        decided[name] += 1
        if row.state != PricingDecision.State.WAITING:
            settled[name] += 1
            earned[name] += row.price if row.state == PricingDecision.State.PURCHASED else 0
    return [
        PolicyStatus(name, number, settled[name], float(earned[name]) / settled[name] if settled[name] else 0.0)
        for name, number in decided.most_common()
    ]
