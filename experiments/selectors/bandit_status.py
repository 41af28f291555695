"""How far the bandit has come: what it believes of each arm, and how much traffic goes to the arm it thinks best."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from scipy.special import betaincinv

from experiments.models import BanditArm, BanditContext, PricingDecision

INTERVAL = (0.05, 0.95)


@dataclass(frozen=True)
class ArmStatus:
    """One arm: the posterior of its purchase probability, and how many of the recent decisions drew it."""

    price: Decimal
    purchases: int
    rejections: int
    mean: float
    low: float
    high: float
    recent: int

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
        return max(self.arms, key=lambda arm: arm.reward)

    @property
    def recent(self) -> int:
        return sum(arm.recent for arm in self.arms)

    @property
    def best_share(self) -> float:
        return self.best.recent / self.recent if self.recent else 0.0


@dataclass(frozen=True)
class BanditStatus:
    """The contexts of the newest decisions, the busiest first; ``decisions``: how many those are."""

    contexts: list[ContextStatus]
    decisions: int

    @property
    def best_share(self) -> float:
        """Share of the newest decisions at the arm that is now thought best in its context."""
        at_best = sum(context.best.recent for context in self.contexts)
        return at_best / self.decisions if self.decisions else 0.0


def bandit_status(*, channel: str, last: int) -> BanditStatus:
    """Return the state of every context among the ``last`` decisions of a channel; five queries, however many."""
    newest = PricingDecision.objects.filter(context__listing__channel__code=channel).order_by("-decided_at", "-pk")
    drawn = Counter(newest.values_list("arm_id", flat=True)[:last])
    contexts = {
        row.pk: row
        for row in BanditContext.objects.filter(arms__in=list(drawn))
        .distinct()
        .select_related("listing__product", "listing__channel")
    }
    arms: dict[int, list[ArmStatus]] = {}
    for arm in BanditArm.objects.filter(context__in=contexts).order_by("context", "price"):
        arms.setdefault(arm.context_id, []).append(arm_status(arm, recent=drawn[arm.pk]))
    found = [ContextStatus(contexts[pk], rows) for pk, rows in arms.items()]
    found.sort(key=lambda each: (-each.recent, each.context.pk))
    return BanditStatus(found, drawn.total())


def arm_status(arm: BanditArm, *, recent: int) -> ArmStatus:
    low, high = (float(betaincinv(arm.alpha, arm.beta, end)) for end in INTERVAL)
    purchases, rejections = round(arm.alpha - 1), round(arm.beta - 1)
    return ArmStatus(arm.price, purchases, rejections, arm.purchase_rate, low, high, recent)
