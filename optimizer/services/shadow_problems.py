"""What a markdown plan decided from, as a problem over a horizon. Only workers and commands load this file."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from django.db.models import Exists, OuterRef

from optimizer.engine.horizon import HorizonProblem
from optimizer.engine.horizon.problem import MAX_MEAN, MAX_PRICE_RATIO, MAX_STOCK
from optimizer.models import HorizonPolicy, MarkdownStep, ShadowDecision

NOTHING_KNOWN: Final = "the plan could not be priced either"
NO_STOCK: Final = "nothing is in stock"
TOO_MUCH: Final = f"more than {MAX_STOCK:,} units in stock"
TOO_FAST: Final = f"more than {MAX_MEAN:,.0f} units a period"
PENALTY: Final = "what is left costs a penalty"
FEW_CHANGES: Final = "the plan limits the number of changes"
SALVAGE: Final = "what is left brings more than it cost"
PRICES: Final = "its highest price is more than 100 times its lowest"


def newest_policies() -> list[HorizonPolicy]:
    """Return the policy that was learned last for each channel, of those that were judged."""
    judged = HorizonPolicy.objects.exclude(scores={}).defer("artefact")  # read where there is something to ask
    return list(judged.order_by("channel_id", "-created_at", "-pk").distinct("channel_id"))


def steps_without(policy: HorizonPolicy, count: int) -> Sequence[MarkdownStep]:
    """Return some decisions of plans of the policy's channel that it was not asked about, since there is the policy."""
    asked = ShadowDecision.objects.filter(policy=policy, step=OuterRef("pk"))
    steps = MarkdownStep.objects.filter(
        ~Exists(asked),
        plan__listing__channel_id=policy.channel_id,
        decided_at__gte=policy.created_at,
        periods_left__gt=0,
    )
    return list(steps.select_related("plan").order_by("pk")[:count])


def shadow_problem(step: MarkdownStep) -> HorizonProblem | str:
    """Return what a plan decided from as a problem that begins there, or why it is none.

    Season, competitor and shortages play no part in markdown plans, so they play none here.
    """
    inputs = step.inputs
    if "ladder" not in inputs or step.stock is None:
        return NOTHING_KNOWN
    prices = [float(price) for price in inputs["ladder"]]
    cost, salvage = float(inputs["unit_cost"]["value"]), float(step.plan.salvage_value)
    lowest, current = max(min(prices), cost), float(step.previous_price)
    highest = max(max(prices), lowest)
    elasticity, demand = inputs["elasticity"]["mean"], inputs["demand"]
    fastest = demand["value"] * max((price / demand["at_price"]) ** elasticity for price in (lowest, highest))
    reasons = {
        NO_STOCK: step.stock == 0,
        TOO_MUCH: step.stock > MAX_STOCK,
        TOO_FAST: fastest > MAX_MEAN,
        PENALTY: step.plan.penalty > 0,
        FEW_CHANGES: step.plan.max_changes is not None,
        SALVAGE: salvage > cost,
        PRICES: highest > MAX_PRICE_RATIO * lowest,
    }
    for reason, holds in reasons.items():
        if holds:
            return reason
    start = min(max(current, lowest), highest)
    return HorizonProblem(
        periods=np.array([step.periods_left]),
        stock=np.array([step.stock]),
        unit_cost=np.array([cost]),
        salvage=np.array([salvage]),
        shortage_cost=np.zeros(1),
        start_price=np.array([start]),
        min_price=np.array([lowest]),
        max_price=np.array([start if step.plan.only_down else highest]),
        demand=np.array([demand["value"]]),
        reference=np.array([demand["at_price"]]),
        elasticity=np.array([elasticity]),
        season=np.ones((1, step.periods_left)),
        competitor=np.full((1, step.periods_left), demand["at_price"]),
        cross_elasticity=np.zeros(1),
    )
