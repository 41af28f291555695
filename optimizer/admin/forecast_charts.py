"""Charts of forecasters and forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from catalog.admin.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Tick, _levels, _scale, _vertical
from catalog.admin.formatting import number, percent
from optimizer.forecast_words import method_words, segment_words
from optimizer.forecaster_gate import ALL, LEAST_COVERAGE, MOST_COVERAGE, SERVED
from optimizer.models import ForecastStep
from optimizer.selectors.forecasts import ForecastOfStep

NAMES_LEFT: Final = 168
MEDIAN: Final = 0.5
HISTORY: Final = {ForecastStep.DAY: 56, ForecastStep.WEEK: 16}
"""Steps of sales that are shown before a forecast."""

ANCHORS: Final = ("start", "middle", "middle", "end")


def loss_chart(losses: Mapping[str, float]) -> Chart:
    """Draw the weighted quantile loss of each method on the held-out steps, the best on top."""
    shown = sorted(losses.items(), key=lambda item: item[1])
    levels = _levels(0.0, max(*losses.values(), 1e-9), 4)
    x = _scale(0.0, levels[-1], NAMES_LEFT, WIDTH - RIGHT)
    row = (HEIGHT - BOTTOM - TOP) / len(shown)
    heights = [round(TOP + row * (place + 0.5), 1) for place in range(len(shown))]
    return Chart(
        title="Weighted quantile loss on held-out steps: less is better",
        path="".join(f"M{x(0)} {at}H{x(loss)}" for at, (_, loss) in zip(heights, shown, strict=True)),
        x_ticks=[Tick(x(level), number(level, decimals=2)) for level in levels],
        y_ticks=[Tick(at, method_words(name)) for at, (name, _) in zip(heights, shown, strict=True)],
        dots=[
            (x(loss), at, f"{method_words(name)}: {number(loss, decimals=3)}")
            for at, (name, loss) in zip(heights, shown, strict=True)
        ],
        left=NAMES_LEFT,
        dot_radius=4.5,
    )


@dataclass(frozen=True)
class Fan:
    """One step of a forecast: what is expected, and the ends of an interval."""

    day: date
    middle: float
    low: float
    high: float


def fan_chart(title: str, sold: Sequence[tuple[date, float]], ahead: Sequence[Fan]) -> Chart:
    """Draw what was sold as dots, and what was expected as a line within its intervals, from a dashed line on."""
    days = sorted({*(day for day, _ in sold), *(step.day for step in ahead)})
    highest = max([1.0, *(float(units) for _, units in sold), *(step.high for step in ahead)])
    levels, y = _vertical(0.0, highest)
    across = _scale(days[0].toordinal(), days[-1].toordinal(), LEFT, WIDTH - RIGHT)
    points = [(across(step.day.toordinal()), y(step.middle), y(step.low), y(step.high)) for step in ahead]
    ticks = [days[round((len(days) - 1) * part / 3)] for part in range(4)]
    area = [*(f"{x} {high}" for x, _, _, high in points), *(f"{x} {low}" for x, _, low, _ in reversed(points))]
    return Chart(
        title=title,
        path="M" + "L".join(f"{x} {middle}" for x, middle, _, _ in points),
        x_ticks=[
            Tick(across(day.toordinal()), f"{day:%-d %b %y}", anchor)
            for day, anchor in zip(ticks, ANCHORS, strict=True)
        ],
        y_ticks=[Tick(y(level), number(level, decimals=_decimals(levels))) for level in levels],
        dots=[(across(day.toordinal()), y(units), f"{day:%-d %b %Y}: {number(units)}") for day, units in sold],
        dot_radius=1.8,
        guide=f"M{points[0][0]} {TOP}V{HEIGHT - BOTTOM}",
        area="M" + "L".join(area) + "Z",
    )


def forecast_chart(title: str, sold: Sequence[tuple[date, int]], ahead: Sequence[ForecastOfStep], middle: int) -> Chart:
    """Draw a stored forecast: its median, given by its place among the levels, within the 80 % intervals."""
    fan = [Fan(step.day, step.quantiles[middle], step.low80, step.high80) for step in ahead]
    return fan_chart(title, sold, fan)


def held_out_charts(scores: Mapping[str, Any]) -> list[Chart]:
    """Draw what was expected of the held-out steps beside what sold, in total and of some products."""
    held = scores.get("held_out")
    if not held:
        return []
    days = [date.fromisoformat(day) for day in held["days"]]
    ahead = days[-held["horizon"] :]
    charts = []
    for each in held["series"]:
        fan = [Fan(*row) for row in zip(ahead, each["middle"], each["low"], each["high"], strict=True)]
        charts.append(fan_chart(_held_out_title(each), list(zip(days, each["sold"], strict=True)), fan))
    return charts


def _held_out_title(series: Mapping[str, Any]) -> str:
    if not series["sku"]:
        return "All products: units sold (dots), sum of their means, and of the ends of their intervals"
    return f"{series['sku']} ({_kind(series['segment'])}): units sold (dots), median, and 8 of 10 cases"


def coverage_chart(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the share of held-out steps in the served 80 % intervals, by kind of products, and the gate's limits."""
    shown = [row for row in rows if row["method"] == SERVED]
    x = _scale(0.0, 1.0, NAMES_LEFT, WIDTH - RIGHT)
    row_height = (HEIGHT - BOTTOM - TOP) / len(shown)
    heights = [round(TOP + row_height * (place + 0.5), 1) for place in range(len(shown))]
    names = ["all products" if row["segment"] == ALL else _kind(row["segment"]) for row in shown]
    return Chart(
        title="Share of held-out steps in the 80 % intervals; the band is what the gate lets pass",
        path="".join(f"M{x(0)} {at}H{x(row['coverage'])}" for at, row in zip(heights, shown, strict=True)),
        x_ticks=[Tick(x(level), percent(level)) for level in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)],
        y_ticks=[Tick(at, name) for at, name in zip(heights, names, strict=True)],
        dots=[
            (x(row["coverage"]), at, f"{name}: {percent(row['coverage'])}")
            for at, name, row in zip(heights, names, shown, strict=True)
        ],
        area=f"M{x(LEAST_COVERAGE)} {TOP}H{x(MOST_COVERAGE)}V{HEIGHT - BOTTOM}H{x(LEAST_COVERAGE)}Z",
        left=NAMES_LEFT,
        dot_radius=4.5,
    )


def _kind(segment: str) -> str:
    return segment_words(segment).partition(":")[0]


def _decimals(levels: Sequence[float]) -> int:
    return 0 if all(level == round(level) for level in levels) else 1


def losses_of(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the loss over all series of each method that was tried for all of them."""
    return {row["method"]: row["wql"] for row in scores.get("rows", []) if row["segment"] == "all"}
