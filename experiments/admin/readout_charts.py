"""How the effect and its interval went from day to day."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from catalog.admin.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Marker, Tick, _scale, _vertical
from experiments.selectors.readouts import ArmReadout
from experiments.stats.inference import LookResult, Readout

ROOM = 1.6
"""Intervals wider than this many usual ones are cut off: the first days' are wider than anything that matters."""
MARGIN = 0.08
MOST_TICKS = 6
MOST_DOTS = 40

Label = Callable[[float], str]


def sequence_chart(each: ArmReadout, title: str, label: Label) -> Chart | None:
    """Draw the effect of an arm with its interval at every look; None before two looks have one."""
    readout = each.primary
    known = [look for look in readout.looks if math.isfinite(look.effect)]
    bounded = [look for look in known if math.isfinite(look.low) and math.isfinite(look.high)]
    if len(known) < 2 or not bounded:
        return None
    low, high = _reach(known, bounded)
    x = _scale(known[0].day, known[-1].day, LEFT, WIDTH - RIGHT)
    levels, y_open = _vertical(low, high)

    def y(value: float) -> float:
        return min(max(y_open(value), TOP), HEIGHT - BOTTOM)

    return Chart(
        title=title,
        path="M" + "L".join(f"{x(look.day)} {y(look.effect):.1f}" for look in known),
        area=_band(bounded, x, y),
        guide=f"M{LEFT} {y(0.0):.1f}H{WIDTH - RIGHT}",
        x_ticks=_day_ticks(known, x),
        y_ticks=[Tick(y(level), label(level)) for level in levels],
        markers=_markers(readout, x),
        dots=[
            (x(look.day), y(look.effect), f"Day {look.day}: {label(look.effect)} {_between(look, label)}")
            for look in known[:: max(1, math.ceil(len(known) / MOST_DOTS))]
        ],
        dot_radius=2.4,
    )


def _reach(known: Sequence[LookResult], bounded: Sequence[LookResult]) -> tuple[float, float]:
    """Return what the chart must hold: all effects, and the intervals as wide as they usually were."""
    widths = np.array([look.high - look.low for look in bounded])
    narrow = [look for look in bounded if look.high - look.low <= ROOM * float(np.median(widths))]
    effects = [look.effect for look in known[len(known) // 3 :]]
    low = min(0.0, *effects, *(look.low for look in narrow))
    high = max(0.0, *effects, *(look.high for look in narrow))
    # What is cut off must be seen to go on, and not to end at no effect.
    room = MARGIN * (high - low)
    return low - room * any(look.low < low for look in bounded), high + room * any(look.high > high for look in bounded)


def _band(bounded: Sequence[LookResult], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    upper = [f"{x(look.day)} {y(look.high):.1f}" for look in bounded]
    lower = [f"{x(look.day)} {y(look.low):.1f}" for look in bounded]
    return "M" + "L".join([*upper, *reversed(lower)]) + "Z"


def _day_ticks(known: Sequence[LookResult], x: Callable[[float], float]) -> list[Tick]:
    first, last = known[0].day, known[-1].day
    step = max(1, math.ceil((last - first) / MOST_TICKS))
    days = list(range(first, last, step))
    if days and last - days[-1] < step / 2 and len(days) > 1:
        days.pop()
    anchors = {first: "start", last: "end"}
    return [Tick(x(day), f"day {day}", anchors.get(day, "middle")) for day in [*days, last]]


def _markers(readout: Readout, x: Callable[[float], float]) -> list[Marker]:
    if readout.decided_day is None or readout.decision not in ("benefit", "harm", "futility"):
        return []
    at = x(readout.decided_day)
    return [
        Marker(at, f"shown on day {readout.decided_day}", TOP + 10, "#d97706", "end" if at > WIDTH / 2 else "start")
    ]


def _between(look: LookResult, label: Label) -> str:
    if not (math.isfinite(look.low) and math.isfinite(look.high)):
        return "(no interval yet)"
    return f"({label(look.low)} to {label(look.high)})"
