"""What markdown plans decided and what came of it, as a log to learn from. Only workers and commands load this file.

The bandit's decisions are left aside: they know neither a stock nor an end, which a policy over a horizon prices for.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from django.db.models import Max, Sum

from catalog.models import Channel, DailySales
from optimizer.engine.horizon import ACTIONS, STEP, HorizonProblem
from optimizer.engine.horizon.policy import WIDEST_STEP
from optimizer.engine.q_learning import Transitions
from optimizer.engine.q_learning.sight import Sight
from optimizer.models import MarkdownStep
from optimizer.services.channel_sales import NothingToLearnFrom
from optimizer.services.shadow_problems import shadow_problem

LEAST_DECISIONS: Final = 750
"""The smallest log on which learning from one was tried (docs/adr/0029): 150 problems of five periods."""

Outcome: Final = MarkdownStep.Outcome
NOT_IN_FORCE: Final = "its price did not come into force"
CHANGED_WITHIN: Final = "another price was decided within the period"
OTHER_PRICE: Final = "another price was in force at the end of the period"
NOT_OVER: Final = "what was left at the end of its period is not known"
STOCK_CAME_IN: Final = "stock came in"
WIDE: Final = "its step is wider than the network's five, or leaves the bounds"
IN_FORCE: Final = {Outcome.PUBLISHED, Outcome.UNCHANGED}


@dataclass(frozen=True)
class PlanLog:
    """Hold the transitions, and why other decisions are none, counted."""

    transitions: Transitions
    left_out: dict[str, int]


class _After(NamedTuple):
    """The stock at the end of a period, and the price in force then where it is known."""

    stock: int
    price: float | None


def plan_transitions(*, channel: Channel) -> PlanLog:
    """Return what the decisions of a channel's markdown plans led to, one transition a decision.

    The state of a decision is the problem that it was made from (`shadow_problem`); what came after is looked at as the
    second period of that problem. The action is the step of the network's ladder next to the one that was taken, at
    most half a step of 5 % away; the reward counts the units that left the stock at the price that was in force. A
    decision is left out where its price did not hold for its whole period, or the stock at its end is not known.

    Raises:
        NothingToLearnFrom: fewer than `LEAST_DECISIONS` are left; the message says how many, and why others are not.
    """
    found = list(_found(channel))
    parts = [each for each in found if isinstance(each, Transitions)]
    left_out = Counter(each for each in found if isinstance(each, str))
    if len(parts) < LEAST_DECISIONS:
        raise NothingToLearnFrom(_too_few(channel, len(parts), left_out))
    return PlanLog(Transitions.join(parts), dict(left_out))


def _too_few(channel: Channel, count: int, left_out: Counter[str]) -> str:
    reasons = "; ".join(f"{number:,} left out: {reason}" for reason, number in left_out.most_common(3))
    have = f"the markdown plans of channel {channel.code!r} have {count:,} decisions to learn from"
    why = f" ({reasons})" if reasons else ""
    return f"{have} and {LEAST_DECISIONS:,} are needed{why}: learn from simulated problems, without --offline"


def _found(channel: Channel) -> Iterator[Transitions | str]:
    """Yield a transition for each decision about a period, or why there is none."""
    steps = MarkdownStep.objects.filter(plan__listing__channel=channel).select_related("plan")
    newest = DailySales.objects.filter(listing__channel=channel).aggregate(day=Max("day"))["day"]
    in_order = steps.order_by("plan_id", "period_start", "revision").iterator(chunk_size=2_000)
    for _, of_plan in groupby(in_order, key=lambda step: step.plan_id):
        periods = [list(each) for _, each in groupby(of_plan, key=lambda step: step.period_start)]
        for place, decided in enumerate(periods):
            if decided[0].periods_left == 0:
                continue
            following = periods[place + 1][0] if place + 1 < len(periods) else None
            yield _transition(decided, _after(decided[0], following, newest))


def _after(step: MarkdownStep, following: MarkdownStep | None, newest_day: date | None) -> _After | None:
    """Return what the next decision found; of the last period what its daily sales left, where all are imported."""
    ends = step.period_start + timedelta(days=step.plan.days_in_period)
    if following is not None:
        if following.period_start < ends or following.stock is None:
            return None
        in_time = following.period_start == ends or following.periods_left == 0
        return _After(following.stock, float(following.previous_price)) if in_time else None
    if step.periods_left > 1 or newest_day is None or newest_day < step.plan.ends_on or step.stock is None:
        return None
    sales = DailySales.objects.filter(listing=step.plan.listing_id, day__gte=step.period_start)
    sold = sales.filter(day__lte=step.plan.ends_on).aggregate(units=Sum("units"))["units"] or 0
    return _After(max(step.stock - sold, 0), None)


def _transition(decided: Sequence[MarkdownStep], after: _After | None) -> Transitions | str:
    step = decided[0]
    if step.outcome not in IN_FORCE or step.price is None:
        return NOT_IN_FORCE
    price = float(step.price)
    if any(each.price != step.price for each in decided):
        return CHANGED_WITHIN
    problem = shadow_problem(step)
    if isinstance(problem, str):
        return problem
    if after is None:
        return NOT_OVER
    if after.price is not None and after.price != price:
        return OTHER_PRICE
    sold = int(problem.stock[0]) - after.stock
    if sold < 0:
        return STOCK_CAME_IN
    return _seen(problem, price, sold)


def _seen(problem: HorizonProblem, price: float, sold: int) -> Transitions | str:
    sight, row = Sight(problem), np.zeros(1, dtype=np.int64)
    start, left = sight.ladder.start, problem.stock - sold
    way = round(float(np.log(price / problem.start_price[0])) / STEP)
    if abs(way) > WIDEST_STEP:
        return WIDE
    action = np.array([way + WIDEST_STEP])
    rung = sight.ladder.stepped(start, action)
    if (rung - start)[0] != ACTIONS[action[0]]:
        return WIDE
    done = problem.periods == 1
    before, after = sight.look(row, row, start, problem.stock), sight.look(row, row + 1, rung, left)
    reward = (price - problem.unit_cost) * sold + np.where(done, (problem.salvage - problem.unit_cost) * left, 0.0)
    return Transitions(
        seen=before.features,
        action=action,
        reward=(reward + after.potential - before.potential) / before.scale,
        ahead=after.features,
        admitted=sight.mask(row, rung),
        done=done,
        unit_ratio=after.scale / before.scale,
    )
