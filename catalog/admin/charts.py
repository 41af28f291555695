"""Small line charts as plain SVG: the points here, the drawing in a template."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalog.admin.formatting import as_decimal, money
from catalog.models import Channel, PriceChange

WIDTH, HEIGHT = 560, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 18, 26
CURVE_STEPS = 60
MAX_EXPONENT = 50.0


@dataclass(frozen=True)
class Tick:
    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Marker:
    """A vertical line with its label, at a price of interest."""

    x: float
    label: str
    label_y: float
    colour: str
    anchor: str = "start"


@dataclass(frozen=True)
class Chart:
    """Hold what is drawn, in pixels: ``guide`` is a dashed path to compare with, ``bars`` a faint one of intervals,
    ``area`` what is shaded."""

    title: str
    path: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    markers: list[Marker] = field(default_factory=list)
    dots: list[tuple[float, float, str]] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM
    guide: str = ""
    bars: str = ""
    area: str = ""
    dot_radius: float = 3.2


def price_chart(changes: Sequence[PriceChange], channel: Channel, now: datetime) -> Chart | None:
    """Draw the price over time as steps, from the oldest given ledger row until now; None without two rows."""
    rows = sorted(changes, key=lambda change: change.version)
    if len(rows) < 2:
        return None
    prices = [float(change.price) for change in rows]
    x = _scale(rows[0].valid_from.timestamp(), now.timestamp(), LEFT, WIDTH - RIGHT)
    levels, y = _vertical(min(prices), max(prices))
    steps = [f"M{x(rows[0].valid_from.timestamp()):.1f} {y(prices[0]):.1f}"]
    for change, price in zip(rows[1:], prices[1:], strict=True):
        steps.append(f"H{x(change.valid_from.timestamp()):.1f}V{y(price):.1f}")
    steps.append(f"H{WIDTH - RIGHT}")
    dots = [
        (x(change.valid_from.timestamp()), y(price), f"{change.valid_from:%-d %b %Y}: {money(change.price, channel)}")
        for change, price in zip(rows, prices, strict=True)
    ]
    return Chart(
        title="Price over time",
        path="".join(steps),
        x_ticks=_time_ticks(rows[0].valid_from, now),
        y_ticks=[Tick(y(level), money(level, channel)) for level in levels],
        dots=dots,
    )


def demand_charts(explanation: Mapping[str, Any], price: Any, channel: Channel) -> list[Chart]:
    """Draw expected weekly sales and profit by price, as the decision saw them; none where its inputs are missing.

    Q(p) = Q0 · exp(m·x + s²·x²/2), x = ln(p/p0), sales at most the stock: the expected demand under e ~ N(m, s²).
    """
    inputs = explanation.get("inputs")
    known = _demand_inputs(inputs if isinstance(inputs, Mapping) else {})
    chosen = as_decimal(price)
    if known is None or chosen is None or chosen <= 0:
        return []
    start, demand, mean, deviation, cost, stock = known
    candidate = as_decimal(explanation.get("candidate"))
    marked = {"before": (start, "#9ca3af"), "chosen": (float(chosen), "var(--color-primary-600)")}
    if candidate is not None and 0 < float(candidate) < 5 * start:
        marked["best without limits"] = (float(candidate), "#d97706")
    values = [value for value, _ in marked.values()]
    low, high = max(min(*values) * 0.7, 1e-9), max(*values) * 1.3
    grid = [low + (high - low) * step / CURVE_STEPS for step in range(CURVE_STEPS + 1)]

    def units(at: float) -> float:
        log_ratio = math.log(at / start)
        expected = demand * math.exp(min(log_ratio * (mean + deviation**2 * log_ratio / 2), MAX_EXPONENT))
        return expected if stock is None else min(expected, stock)

    charts = [_curve("Expected units a week by price", grid, units, marked, channel, lambda value: f"{value:,.4g}")]
    if cost is not None:
        unit_cost = cost
        charts.append(
            _curve(
                "Expected profit a week by price",
                grid,
                lambda at: (at - unit_cost) * units(at),
                marked,
                channel,
                lambda value: money(value, channel),
            )
        )
    return charts


def step_chart(
    title: str,
    ends: tuple[float, float],
    heights: Sequence[float],
    x_label: Callable[[float], str],
    y_label: Callable[[float], str],
) -> Chart:
    """Draw classes of equal width from one end to the other as steps that stand on zero."""
    x = _scale(ends[0], ends[1], LEFT, WIDTH - RIGHT)
    levels, y = _vertical(min(0.0, *heights), max(0.0, *heights))
    width = (ends[1] - ends[0]) / len(heights)
    steps = [f"M{LEFT} {y(0.0):.1f}"]
    for index, height in enumerate(heights):
        steps.append(f"V{y(height):.1f}H{x(ends[0] + (index + 1) * width):.1f}")
    steps.append(f"V{y(0.0):.1f}")
    middles = [ends[0] + (index + 0.5) * width for index in range(len(heights))]
    return Chart(
        title=title,
        path="".join(steps),
        x_ticks=[Tick(x(at), x_label(at)) for at in _levels(ends[0], ends[1], 4) if ends[0] <= at <= ends[1]],
        y_ticks=[Tick(y(level), y_label(level)) for level in levels],
        dots=[
            (x(at), y(height), f"{x_label(at)}: {y_label(height)}")
            for at, height in zip(middles, heights, strict=True)
            if height
        ],
    )


def _demand_inputs(
    inputs: Mapping[str, Any],
) -> tuple[float, float, float, float, float | None, float | None] | None:
    def value(name: str, key: str = "value") -> float | None:
        entry = inputs.get(name)
        found = as_decimal(entry.get(key)) if isinstance(entry, Mapping) else None
        return None if found is None else float(found)

    start, demand = value("current_price"), value("demand")
    mean, deviation = value("elasticity", "mean"), value("elasticity", "sd")
    if start is None or demand is None or mean is None or deviation is None or start <= 0 or demand <= 0:
        return None
    return start, demand, mean, deviation, value("unit_cost"), value("inventory")


def _curve(
    title: str,
    grid: Sequence[float],
    function: Callable[[float], float],
    marked: Mapping[str, tuple[float, str]],
    channel: Channel,
    label: Callable[[float], str],
) -> Chart:
    heights = [function(at) for at in grid]
    x = _scale(grid[0], grid[-1], LEFT, WIDTH - RIGHT)
    levels, y = _vertical(min(heights), max(heights))
    path = "M" + "L".join(f"{x(at):.1f} {y(height):.1f}" for at, height in zip(grid, heights, strict=True))
    markers = _markers(marked, x, channel)
    return Chart(
        title=title,
        path=path,
        x_ticks=[Tick(x(at), money(at, channel)) for at in _levels(grid[0], grid[-1], 6) if grid[0] <= at <= grid[-1]],
        y_ticks=[Tick(y(level), label(level)) for level in levels],
        markers=markers,
        dots=[(x(at), y(function(at)), money(at, channel)) for at, _ in marked.values()],
    )


def _markers(marked: Mapping[str, tuple[float, str]], x: Callable[[float], float], channel: Channel) -> list[Marker]:
    """Return one line for each distinct price, its names joined; the lowest price is labelled on its left."""
    names: dict[str, list[str]] = {}
    places: dict[str, tuple[float, str]] = {}
    for name, (at, colour) in marked.items():
        label = money(at, channel)
        names.setdefault(label, []).append(name)
        if label not in places or name == "chosen":
            places[label] = (at, colour)
    ordered = sorted(places, key=lambda label: places[label][0])
    return [
        Marker(
            x=x(places[label][0]),
            label=f"{' = '.join(names[label])}: {label}",
            label_y=TOP + 10 + 13 * (index // 2),
            colour=places[label][1],
            anchor="end" if index == 0 and len(ordered) > 1 else "start",
        )
        for index, label in enumerate(ordered)
    ]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: round(start + (value - low) / span * (end - start), 1)


def _vertical(low: float, high: float) -> tuple[list[float], Callable[[float], float]]:
    """Return round levels that enclose the values, and the scale to pixels."""
    if high - low < abs(high) * 1e-6:
        low, high = low - abs(low) * 0.1 - 0.01, high + abs(high) * 0.1 + 0.01
    levels = _levels(low, high, 4)
    return levels, _scale(levels[0], levels[-1], HEIGHT - BOTTOM, TOP)


def _levels(low: float, high: float, wanted: int) -> list[float]:
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1, 2, 2.5, 5) if factor * power >= rough), 10 * power)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _time_ticks(start: datetime, end: datetime) -> list[Tick]:
    pattern = "%-d %b %H:%M" if (end - start).total_seconds() < 4 * 86_400 else "%-d %b %y"
    x = _scale(0, 3, LEFT, WIDTH - RIGHT)
    anchors = ("start", "middle", "middle", "end")
    return [
        Tick(x(step), f"{start + (end - start) * step / 3:{pattern}}", anchor) for step, anchor in enumerate(anchors)
    ]
