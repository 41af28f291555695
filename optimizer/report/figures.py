"""The report's plots as SVG text. Pure: arrays in, SVG out; matplotlib without a display."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

BLUE, ORANGE, GREY, LIGHT = "#1d4ed8", "#c2410c", "#64748b", "#cbd5e1"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT,
    "axes.labelcolor": "#334155",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "legend.frameon": False,
}
NORMAL_90 = 1.6449


@dataclass(frozen=True)
class DemandCurve:
    """One SKU's expected weekly demand by price; money in the channel's currency."""

    title: str
    current_price: float
    new_price: float
    unit_cost: float
    demand: float
    elasticity_mean: float
    elasticity_sd: float
    log_demand_sd: float


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, NDArray[Any]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def price_change_histogram(changes: Sequence[float]) -> str:
    """Plot how many prices move by how much; ``changes`` are fractions of the price before."""
    percent = 100 * np.asarray(changes, dtype=np.float64)
    with mpl.rc_context(STYLE):
        figure, axes = _figure(7.2, 2.8)
        edges = np.arange(-21, 23, 2.0)
        counts, _ = np.histogram(percent, edges)
        colours = [GREY if left < 0 < left + 2 else BLUE if left >= 0 else ORANGE for left in edges[:-1]]
        axes[0, 0].bar(edges[:-1] + 1, counts, width=1.7, color=colours)
        axes[0, 0].set(xlabel="price change, %", ylabel="SKUs", title="Price changes by size")
        return _svg(figure)


def binding_rule_bars(counts: dict[str, int]) -> str:
    """Plot how many prices each rule decided, the most frequent on top."""
    names = sorted(counts, key=lambda name: counts[name])
    with mpl.rc_context(STYLE):
        figure, axes = _figure(7.2, 0.6 + 0.32 * max(len(names), 1))
        bars = axes[0, 0].barh([name.replace("_", " ") for name in names], [counts[name] for name in names], color=BLUE)
        axes[0, 0].bar_label(bars, fmt="{:,.0f}", padding=3, color=GREY)
        axes[0, 0].grid(axis="y", visible=False)
        axes[0, 0].margins(x=0.12)
        axes[0, 0].set(xlabel="SKUs", title="What decided the price")
        return _svg(figure)


def elasticity_posteriors(
    means: Sequence[float], sds: Sequence[float], informed: Sequence[bool], prior_mean: float, prior_sd: float
) -> str:
    """Plot posterior means beside the prior's density, and posterior sds by what the data said."""
    mean, sd, told = np.asarray(means), np.asarray(sds), np.asarray(informed, dtype=bool)
    with mpl.rc_context(STYLE):
        figure, axes = _figure(7.2, 3.0, 1, 2)
        left, right = axes[0]
        edges = np.linspace(min(mean.min(), prior_mean - 3 * prior_sd), max(mean.max(), 0.2), 45)
        left.hist(mean[told], edges, color=BLUE, label="learned from sales")
        grid = np.linspace(edges[0], edges[-1], 200)
        density = np.exp(-(((grid - prior_mean) / prior_sd) ** 2) / 2) / (prior_sd * np.sqrt(2 * np.pi))
        scale = max(int(told.sum()), 1) * (edges[1] - edges[0])
        left.plot(grid, density * scale, color=ORANGE, label=f"prior N({prior_mean:.3g}, {prior_sd:.3g}²)")
        left.set(xlabel="posterior mean elasticity", ylabel="SKUs", title=f"{told.sum():,} SKUs learned")
        left.legend(fontsize=8)
        right.hist(sd[told], np.linspace(0, prior_sd * 1.02, 40), color=BLUE)
        right.axvline(prior_sd, color=ORANGE)
        right.set(xlabel="posterior sd", ylabel="SKUs", title=f"{(~told).sum():,} SKUs keep the prior's sd")
        return _svg(figure)


def demand_curves(curves: Sequence[DemandCurve], currency: str) -> str:
    """Plot expected weekly demand with its 90 % band for a few SKUs, with cost, old and new price."""
    columns = 3
    rows = max(1, -(-len(curves) // columns))
    with mpl.rc_context(STYLE):
        figure, axes = _figure(10.2, 2.7 * rows, rows, columns)
        for axis in axes.flat[len(curves) :]:
            axis.set_axis_off()
        for axis, curve in zip(axes.flat, curves, strict=False):
            _draw_curve(axis, curve, currency)
        axes[0, 0].legend(fontsize=7, loc="upper right")
        return _svg(figure)


def _draw_curve(axis: Axes, curve: DemandCurve, currency: str) -> None:
    low = min(curve.current_price, curve.new_price, curve.unit_cost) * 0.92
    prices = np.linspace(low, 1.25 * max(curve.current_price, curve.new_price), 120)
    x = np.log(prices / curve.current_price)
    log_demand = np.log(curve.demand) + curve.elasticity_mean * x
    spread = NORMAL_90 * np.hypot(curve.elasticity_sd * x, curve.log_demand_sd)
    axis.fill_between(
        prices, np.exp(log_demand - spread), np.exp(log_demand + spread), color=BLUE, alpha=0.14, lw=0, label="90 %"
    )
    axis.plot(prices, np.exp(log_demand), color=BLUE, lw=1.4, label="demand")
    for price, colour, style, label in (
        (curve.unit_cost, GREY, ":", "assumed cost"),
        (curve.current_price, GREY, "-", "price before"),
        (curve.new_price, ORANGE, "-", "new price"),
    ):
        axis.axvline(price, color=colour, ls=style, lw=1.3, label=label)
    axis.set_title(curve.title, fontsize=8)
    axis.set_xlabel(f"price, {currency}", fontsize=8)
    axis.set_ylabel("units a week", fontsize=8)
    axis.set_ylim(bottom=0, top=float(np.exp(log_demand + spread)[len(prices) // 5] * 1.15))


def model_trust(
    shares: dict[str, Sequence[tuple[float, float]]],
    differences: dict[str, tuple[float, float, float]],
    points: Sequence[tuple[float, float, float]],
) -> str:
    """Plot how far a demand model can be trusted; a part that is empty is left out.

    Args:
        shares: by what the intervals are of, shares of them that were asked to hold and that held.
        differences: by simple method, by which share of it the error is smaller, with the ends of its interval.
        points: true and estimated elasticities of simulated sales, with the sd of the estimate.
    """
    with mpl.rc_context(STYLE):
        parts = sum(bool(part) for part in (shares, differences, points))
        figure, axes = _figure(10.2, 3.3, 1, max(parts, 1))
        left = iter(axes[0])
        if shares:
            _draw_shares(next(left), shares)
        if differences:
            _draw_differences(next(left), differences)
        if points:
            _draw_recovered(next(left), points)
        return _svg(figure)


def _draw_shares(axis: Axes, shares: dict[str, Sequence[tuple[float, float]]]) -> None:
    axis.plot([0, 100], [0, 100], color=GREY, ls="--", lw=1)
    for (name, pairs), colour, marker in zip(shares.items(), (BLUE, ORANGE), "os", strict=False):
        asked, held = 100 * np.transpose(pairs)
        axis.plot(asked, held, color=colour, marker=marker, ms=4, lw=1.3, label=name)
    axis.set(xlabel="asked to hold, %", ylabel="held, %", title="Intervals", xlim=(0, 100), ylim=(0, 100))
    axis.legend(fontsize=8, loc="upper left")


def _draw_differences(axis: Axes, differences: dict[str, tuple[float, float, float]]) -> None:
    places = np.arange(len(differences))[::-1]
    mean, low, high = 100 * np.transpose(list(differences.values()))
    axis.axvline(0, color=GREY, ls="--", lw=1)
    axis.errorbar(mean, places, xerr=[mean - low, high - mean], fmt="o", color=BLUE, ms=5, lw=1.3, capsize=4)
    axis.set_yticks(places, list(differences))
    axis.set_ylim(-0.6, len(differences) - 0.4)
    axis.grid(axis="y", visible=False)
    axis.set(xlabel="smaller by, %", title="Error beside simple methods")


def _draw_recovered(axis: Axes, points: Sequence[tuple[float, float, float]]) -> None:
    true, estimated, sd = np.transpose(points)
    ends = [min(true.min(), estimated.min()), max(true.max(), estimated.max())]
    axis.plot(ends, ends, color=GREY, ls="--", lw=1)
    axis.errorbar(true, estimated, yerr=NORMAL_90 * sd, fmt="none", ecolor=BLUE, elinewidth=0.6, alpha=0.3)
    axis.plot(true, estimated, ".", color=BLUE, ms=3)
    axis.set(xlabel="true", ylabel="estimated, 90 % interval", title="Elasticities, simulated")
