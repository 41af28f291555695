"""Charts of a markdown plan: prices and stock, what was and what is expected."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import pairwise

from django.utils import timezone

from catalog.admin.charts import LEFT, RIGHT, WIDTH, Chart, Tick, _scale, _vertical
from catalog.admin.formatting import money, number
from catalog.models import Channel
from optimizer.models import MarkdownPlan, MarkdownStep
from optimizer.selectors.markdowns import PlannedMarkdown

Point = tuple[date, float]
Across = Callable[[date], float]
Up = Callable[[float], float]


def price_path_chart(
    plan: MarkdownPlan, steps: Sequence[MarkdownStep], planned: PlannedMarkdown | MarkdownStep, channel: Channel
) -> Chart:
    """Draw the price as steps: published ones as dots, then the likeliest price of each period to come."""
    past = [(step.period_start, float(step.price)) for step in steps if step.price is not None and step.forecast]
    start = past[-1][0] if past else plan.period_start(timezone.localdate())
    ahead = [(_day(plan, start, index), price) for index, price in enumerate((planned.forecast or {})["price"])]
    points = [*past[:-1], *ahead]
    levels, y = _vertical(min(price for _, price in points), max(price for _, price in points))
    x = _time(plan)
    path = f"M{x(points[0][0])} {y(points[0][1]):.1f}"
    path += "".join(f"H{x(day)}V{y(price):.1f}" for day, price in points[1:]) + f"H{WIDTH - RIGHT}"
    return Chart(
        title="Price: decided (dots) and planned",
        path=path,
        x_ticks=_ticks(plan),
        y_ticks=[Tick(y(level), money(level, channel)) for level in levels],
        dots=[(x(day), y(price), f"{day:%-d %b}: {money(price, channel)}") for day, price in past],
    )


def stock_chart(plan: MarkdownPlan, steps: Sequence[MarkdownStep], planned: PlannedMarkdown | MarkdownStep) -> Chart:
    """Draw the expected stock with the ends of its 80 % interval around it; what was counted as dots."""
    past = [(step.period_start, float(step.stock)) for step in steps if step.stock is not None and step.forecast]
    start = past[-1][0] if past else plan.period_start(timezone.localdate())
    forecast = planned.forecast or {}
    lines = [
        [(_day(plan, start, index), units) for index, units in enumerate(forecast[name])]
        for name in ("stock", "stock_low", "stock_high")
    ]
    highest = max(units for line in [*lines, past] for _, units in line)
    levels, y = _vertical(0.0, max(highest, 1.0))
    x = _time(plan)
    expected, low, high = lines
    path = _line([*past[:-1], *expected], x, y) + _dashed(low, x, y) + _dashed(high, x, y)
    return Chart(
        title="Stock: counted (dots) and expected, dashed: 8 of 10 cases lie between",
        path=path,
        x_ticks=_ticks(plan),
        y_ticks=[Tick(y(level), number(level)) for level in levels],
        dots=[(x(day), y(units), f"{day:%-d %b}: {number(units)}") for day, units in past],
    )


def _line(points: Sequence[Point], x: Across, y: Up) -> str:
    return "M" + "L".join(f"{x(day)} {y(units):.1f}" for day, units in points)


def _dashed(points: Sequence[Point], x: Across, y: Up) -> str:
    """A chart has one path and one stroke: the dashes are drawn one by one."""
    parts = []
    for (first, low), (last, high) in pairwise(points):
        left, right, top, bottom = x(first), x(last), y(low), y(high)
        count = max(1, round((right - left) / 10))
        for index in range(count):
            begin, end = index / count, (index + 0.5) / count
            parts.append(
                f"M{left + (right - left) * begin:.1f} {top + (bottom - top) * begin:.1f}"
                f"L{left + (right - left) * end:.1f} {top + (bottom - top) * end:.1f}"
            )
    return "".join(parts)


def _day(plan: MarkdownPlan, start: date, index: int) -> date:
    return start + timedelta(days=plan.days_in_period * index)


def _time(plan: MarkdownPlan) -> Across:
    scale = _scale(plan.starts_on.toordinal(), plan.ends_on.toordinal() + 1, LEFT, WIDTH - RIGHT)
    return lambda day: scale(day.toordinal())


def _ticks(plan: MarkdownPlan) -> list[Tick]:
    x = _scale(0, 3, LEFT, WIDTH - RIGHT)
    anchors = ("start", "middle", "middle", "end")
    days = [plan.starts_on + timedelta(days=round((plan.days - 1) * part / 3)) for part in range(4)]
    return [Tick(x(part), f"{days[part]:%-d %b}", anchors[part]) for part in range(4)]
