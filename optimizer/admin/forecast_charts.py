"""Charts of forecasters and forecasts."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from catalog.admin.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Tick, _levels, _scale, _vertical
from catalog.admin.formatting import number
from optimizer.forecast_words import method_words
from optimizer.selectors.forecasts import ForecastOfStep

NAMES_LEFT: Final = 168
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


def fan_chart(
    history: Sequence[tuple[date, int]], ahead: Sequence[ForecastOfStep], *, low: int, middle: int, high: int
) -> Chart:
    """Draw what was sold as dots, then the median and the fan between two levels, given by their places."""
    days = [day for day, _ in history] + [step.day for step in ahead]
    highest = max([1.0, *(float(units) for _, units in history), *(step.quantiles[high] for step in ahead)])
    levels, y = _vertical(0.0, highest)
    across = _scale(days[0].toordinal(), days[-1].toordinal(), LEFT, WIDTH - RIGHT)
    upper = [f"{across(step.day.toordinal())} {y(step.quantiles[high])}" for step in ahead]
    lower = [f"{across(step.day.toordinal())} {y(step.quantiles[low])}" for step in ahead]
    median = [f"{across(step.day.toordinal())} {y(step.quantiles[middle])}" for step in ahead]
    start = across(ahead[0].day.toordinal())
    ticks = [days[round((len(days) - 1) * part / 3)] for part in range(4)]
    return Chart(
        title="Units sold (dots), and forecast: the median, and where 8 of 10 cases lie",
        path="M" + "L".join(median),
        x_ticks=[
            Tick(across(day.toordinal()), f"{day:%-d %b %y}", anchor)
            for day, anchor in zip(ticks, ANCHORS, strict=True)
        ],
        y_ticks=[Tick(y(level), number(level)) for level in levels],
        dots=[(across(day.toordinal()), y(units), f"{day:%-d %b %Y}: {units}") for day, units in history],
        dot_radius=1.8,
        guide=f"M{start} {TOP}V{HEIGHT - BOTTOM}",
        area="M" + "L".join([*upper, *reversed(lower)]) + "Z",
    )


def losses_of(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the loss over all series of each method that was tried for all of them."""
    return {row["method"]: row["wql"] for row in scores.get("rows", []) if row["segment"] == "all"}
