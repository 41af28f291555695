"""Charts of how far a demand model can be trusted."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final

from catalog.admin.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Tick, _levels, _scale
from catalog.admin.formatting import number, percent
from optimizer.selectors.model_validation import METHOD_WORDS, SHORT_WORDS, shares

BASE: Final = HEIGHT - BOTTOM
NAMES_LEFT: Final = 118
"""Where names of methods stand in the place of numbers."""

MARGIN: Final = 0.1
"""Around the elasticities that are drawn: they may all be the same."""

ANCHORS: Final = {0.0: "start", 1.0: "end"}
REACH: Final = NormalDist().inv_cdf(0.95)
"""Of a 90 % interval, in standard deviations."""


def validation_charts(verdict: Mapping[str, Any]) -> list[Chart]:
    """Draw what a fit's verdict holds."""
    charts = []
    if calibration := verdict.get("calibration"):
        charts.append(_share_chart("Weeks not seen: share asked for (across) and held (up)", calibration))
    if recovery := verdict.get("recovery"):
        coverage = recovery["whole"]["coverage"]
        charts.append(_share_chart("True elasticities: share asked for (across) and held (up)", coverage))
    if backtest := verdict.get("backtest"):
        charts.append(_backtest_chart(backtest["comparisons"]))
    if recovery:
        charts.append(_recovery_chart(recovery["points"]))
    return charts


def _share_chart(title: str, found: Mapping[str, float]) -> Chart:
    x, y = _scale(0, 1, LEFT, WIDTH - RIGHT), _scale(0, 1, BASE, TOP)
    points = shares(found)
    quarters = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Chart(
        title=title,
        path="M" + "L".join(f"{x(asked)} {y(held)}" for asked, held in points),
        x_ticks=[Tick(x(at), percent(at), ANCHORS.get(at, "middle")) for at in quarters],
        y_ticks=[Tick(y(at), percent(at)) for at in quarters],
        dots=[(x(asked), y(held), f"of {percent(asked)} {percent(held)}") for asked, held in points],
        guide=f"M{x(0)} {y(0)}L{x(1)} {y(1)}",
    )


def _recovery_chart(points: Sequence[tuple[float, float, float]]) -> Chart:
    """Draw estimates by their truth, with their intervals as far as they lie within the chart."""
    ends = [value for true, estimated, _ in points for value in (true, estimated)]
    levels = _levels(min(ends) - MARGIN, max(ends) + MARGIN, 5)
    low, high, decimals = levels[0], levels[-1], 1 if levels[1] - levels[0] >= MARGIN else 2
    x, y = _scale(low, high, LEFT, WIDTH - RIGHT), _scale(low, high, BASE, TOP)
    bars = [
        f"M{x(true)} {y(max(low, estimated - REACH * sd))}V{y(min(high, estimated + REACH * sd))}"
        for true, estimated, sd in points
    ]
    return Chart(
        title="Elasticities, simulated: true (across), estimated (up)",
        path="",
        x_ticks=[
            Tick(x(level), number(level, decimals=decimals), "start" if level == low else "middle") for level in levels
        ],
        y_ticks=[Tick(y(level), number(level, decimals=decimals)) for level in levels],
        dots=[
            (x(true), y(estimated), f"{number(true, decimals=2)}: {number(estimated, decimals=2)} ± {sd:.2f}")
            for true, estimated, sd in points
        ],
        guide=f"M{x(low)} {y(low)}L{x(high)} {y(high)}",
        bars="".join(bars),
        dot_radius=1.6,
    )


def _backtest_chart(comparisons: Mapping[str, Mapping[str, float]]) -> Chart:
    """Draw by how much the error is smaller than each simple method's, with intervals, around no difference."""
    shown = [(name, comparisons[name]) for name in METHOD_WORDS]
    levels = _levels(min(0.0, *(each["low"] for _, each in shown)), max(0.0, *(each["high"] for _, each in shown)), 5)
    x = _scale(levels[0], levels[-1], NAMES_LEFT, WIDTH - RIGHT)
    row = (BASE - TOP) / len(shown)
    heights = [round(TOP + row * (index + 0.5), 1) for index in range(len(shown))]
    return Chart(
        title="How much smaller its error is than that of simple methods",
        path="".join(
            f"M{x(each['low'])} {at}H{x(each['high'])}M{x(each['low'])} {at - 5}v10M{x(each['high'])} {at - 5}v10"
            for at, (_, each) in zip(heights, shown, strict=True)
        ),
        x_ticks=[Tick(x(level), percent(level, signed=True)) for level in levels],
        y_ticks=[Tick(at, SHORT_WORDS[name]) for at, (name, _) in zip(heights, shown, strict=True)],
        dots=[
            (x(each["improvement"]), at, f"{percent(each['improvement'], signed=True)} beside {METHOD_WORDS[name]}")
            for at, (name, each) in zip(heights, shown, strict=True)
        ],
        guide=f"M{x(0)} {TOP}V{BASE}",
        left=NAMES_LEFT,
        dot_radius=4.5,
    )
