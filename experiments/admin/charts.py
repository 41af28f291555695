"""Charts of what the bandit has learned."""

from collections.abc import Sequence

from catalog.admin.charts import LEFT, RIGHT, WIDTH, Chart, Marker, Tick, _scale, _vertical
from catalog.admin.formatting import in_currency, moment, money, percent
from catalog.models import Channel
from experiments.selectors.bandit_status import ContextStatus, ShareAt
from experiments.selectors.policy_values import PolicyValue

CAP = 5


def share_chart(shares: Sequence[ShareAt]) -> list[Chart]:
    """Draw the share of decisions at the price now thought best, over time."""
    if len(shares) < 2:
        return []
    x = _scale(0, len(shares) - 1, LEFT, WIDTH - RIGHT)
    levels, y = _vertical(0.0, max(each.share for each in shares) or 1.0)
    points = [(x(at), y(each.share)) for at, each in enumerate(shares)]
    return [
        Chart(
            title="Share of decisions at the price now thought best",
            path="M" + "L".join(f"{left:.1f} {top:.1f}" for left, top in points),
            x_ticks=[
                Tick(x(0), moment(shares[0].since), "start"),
                Tick(x(len(shares) - 1), moment(shares[-1].since), "end"),
            ],
            y_ticks=[Tick(y(level), percent(level, decimals=0)) for level in levels],
            dots=[
                (left, top, f"{moment(each.since)}: {percent(each.share)} of {each.decisions}")
                for (left, top), each in zip(points, shares, strict=True)
            ],
        )
    ]


def rewards_chart(status: ContextStatus, channel: Channel) -> list[Chart]:
    """Draw what a shopper is expected to bring at each price, with the 90 % interval of the belief."""
    prices = [float(arm.price) for arm in status.arms]
    spans = [
        (price * arm.low, price * arm.mean, price * arm.high) for price, arm in zip(prices, status.arms, strict=True)
    ]
    edge = (max(prices) - min(prices)) * 0.08 or max(prices) * 0.05
    x = _scale(min(prices) - edge, max(prices) + edge, LEFT, WIDTH - RIGHT)
    levels, y = _vertical(0.0, max(high for *_, high in spans))
    best = float(status.best.price)
    return [
        Chart(
            title="Expected reward a shopper by price, with 90 % intervals",
            path="".join(_bar(x(price), y(low), y(high)) for price, (low, _, high) in zip(prices, spans, strict=True)),
            x_ticks=[Tick(x(price), money(price, channel)) for price in prices],
            y_ticks=[Tick(y(level), money(level, channel)) for level in levels],
            markers=[Marker(x(best), "thought best", 12, "#d97706", "start" if best < max(prices) else "end")],
            dots=[
                (x(price), y(mean), f"{money(price, channel)}: {in_currency(mean, channel.currency, decimals=3)}")
                for price, (_, mean, _) in zip(prices, spans, strict=True)
            ],
        )
    ]


def values_chart(values: Sequence[PolicyValue], channel: Channel) -> list[Chart]:
    """Draw the doubly robust value of each policy with its 95 % interval."""
    known = [(each.policy, each.result.doubly_robust) for each in values if each.result is not None]
    if not known:
        return []
    x = _scale(-0.5, len(known) - 0.5, LEFT, WIDTH - RIGHT)
    levels, y = _vertical(min(0.0, *(each.low for _, each in known)), max(each.high for _, each in known))
    return [
        Chart(
            title="What a decision would have earned, doubly robust, with 95 % intervals",
            path="".join(_bar(x(at), y(each.low), y(each.high)) for at, (_, each) in enumerate(known)),
            x_ticks=[Tick(x(at), name.replace("_", " ")) for at, (name, _) in enumerate(known)],
            y_ticks=[Tick(y(level), money(level, channel)) for level in levels],
            dots=[
                (x(at), y(each.value), f"{name}: {in_currency(each.value, channel.currency, decimals=3)}")
                for at, (name, each) in enumerate(known)
            ],
        )
    ]


def _bar(x: float, low: float, high: float) -> str:
    caps = "".join(f"M{x - CAP:.1f} {end:.1f}h{2 * CAP}" for end in (low, high))
    return f"M{x:.1f} {low:.1f}V{high:.1f}{caps}"
