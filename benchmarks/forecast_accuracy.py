"""How well demand is forecast, beside a seasonal naive forecast, LightGBM as it is usually made, ours, and AutoETS.

`.venv/bin/python -m benchmarks.forecast_accuracy [--panel demo|simulated] [--step day|week] [--quick]`, with the extra
`forecast`. `lightgbm` is our own candidate, over our features; the peers are in `forecast_peer`. On simulated sales the
loss of the true quantiles is the floor. Models are trained before each origin and judged on the horizon after it;
nothing after an origin is read. AutoETS is fitted to a sample of series, drawn with a seed, and compared on that
sample; it needs `statsforecast`, and `--ets 0` leaves it out.
"""

import argparse
import time
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from benchmarks.forecast_peer import plain_boosting
from benchmarks.forecast_worlds import simulated_panel
from optimizer.engine.forecasting import (
    SEGMENTS,
    SERVED,
    BacktestReport,
    Forecaster,
    ForecasterConfig,
    SeriesPanel,
    judge,
    train_forecaster,
    weekly_config,
)
from optimizer.engine.forecasting.examples import training_origins
from optimizer.engine.forecasting.scores import pinball

PLAIN, SCALED, TRUTH = "plain peer", "scaled peer", "true quantiles"
DATA = "data/online_retail/online_retail.parquet"


def demo_panel(step_days: int, most: int) -> SeriesPanel:
    """Return the demo's sales by day or week: lines with units and a price, of codes that begin with five digits.

    A code's price is the first one paid, for good: the demo has no price list, and what is paid falls with how much is
    bought and is known only where something sold, so that who is told it knows sales ahead.
    """
    lines = pl.read_parquet(DATA)
    lines = lines.select(
        pl.col("StockCode").alias("sku"),
        pl.col("Quantity").cast(pl.Float64).alias("units"),
        pl.col("InvoiceDate").dt.date().alias("day"),
        pl.col("UnitPrice").alias("price"),
    ).filter(pl.col("sku").str.contains(r"^\d{5}"), pl.col("units") > 0, pl.col("price") > 0)
    start = lines["day"].min()
    steps = (lines["day"] - start).dt.total_days() // step_days
    lines = lines.with_columns(step=steps)
    codes = lines.group_by("sku").len().sort("len", "sku", descending=[True, False])["sku"].head(most).sort()
    lines = lines.filter(pl.col("sku").is_in(codes.to_list()))
    row = codes.search_sorted(lines["sku"]).to_numpy()
    step = lines["step"].to_numpy()
    days = int(steps.max()) + 1
    time_steps = days - (1 if step_days == 7 else 0)  # the last week is not whole
    shape = (len(codes), days)
    units = np.zeros(shape)
    np.add.at(units, (row, step), lines["units"].to_numpy())
    first = (units > 0).argmax(1)
    units = units[:, :time_steps]
    first_paid = (
        lines.sort("step", "price").group_by("sku", maintain_order=True).first().sort("sku")["price"].to_numpy()
    )
    keep = first < time_steps - 1
    calendar = _calendar(time_steps, step_days, start)
    return SeriesPanel(
        step_days=step_days,
        units=units[keep],
        first=first[keep],
        price=np.repeat(first_paid[keep, None], time_steps, 1),
        promotion=np.zeros_like(units[keep]),
        sold_out=np.zeros(units[keep].shape, bool),
        calendar=calendar,
        category=np.zeros(keep.sum(), int),
        elasticity=np.full(keep.sum(), -1.5),
    )


def _calendar(steps: int, step_days: int, start: date) -> np.ndarray:
    """Return weekdays and the season; the shop is closed on Saturdays and from 24 December to 3 January."""
    dates = np.datetime64(start) + np.arange(steps) * step_days
    year = (dates - dates.astype("datetime64[Y]")).astype(int) / 365.25 * 2 * np.pi
    season = [np.sin(year), np.cos(year)]
    christmas = (dates >= np.datetime64("2010-12-24")) & (dates <= np.datetime64("2011-01-03"))
    if step_days == 7:
        return np.stack([*season, christmas], 1).astype(float)
    weekday = (dates.astype("datetime64[D]").astype(int) + 3) % 7
    return np.concatenate((np.eye(7)[weekday], np.stack([*season, christmas | (weekday == 5)], 1)), 1)


def auto_ets(panel: SeriesPanel, rows: np.ndarray, config: ForecasterConfig, origin: int) -> np.ndarray:
    """Return AutoETS's quantiles (row, horizon, level), 0 or more; of a series that it cannot fit, zeros."""
    from statsforecast.models import AutoETS

    season = 7 if panel.step_days == 1 else 1
    widths = [round(100 * (1 - 2 * level)) for level in config.levels if level < 0.5]
    result = np.zeros((len(rows), config.horizon, len(config.levels)))
    for index, row in enumerate(rows):
        found = AutoETS(season_length=season).forecast(
            panel.units[row, panel.first[row] : origin], h=config.horizon, level=sorted(widths)
        )
        columns = [f"lo-{width}" for width in widths] + ["mean"] + [f"hi-{width}" for width in reversed(widths)]
        result[index] = np.stack([found[column] for column in columns], 1)
    return np.maximum(result, 0)


def print_report(report: BacktestReport) -> None:
    """Print a line for each segment and method."""
    print(f"{'segment':14}{'method':16}{'WQL':>8}{'cover':>8}{'ranks':>8}{'width':>9}{'units':>10}")
    for segment in (*SEGMENTS, "all"):
        for score in report.scores:
            if score.segment == segment:
                print(
                    f"{segment:14}{score.method:16}{score.wql:8.4f}{score.coverage:8.1%}{score.randomised:8.1%}"
                    f"{score.width:9.2f}{score.demand:10.0f}"
                )
    print("winners by origin:", *("; ".join(w) for w in report.winners), sep="\n  ")


def compare_ets(panel: SeriesPanel, made: Forecaster, origin: int, size: int) -> None:
    """Print the loss of AutoETS and ours on a sample of series."""
    config = made.config
    known = np.flatnonzero(panel.first < origin - 3 * config.horizon)
    rows = np.sort(np.random.default_rng(0).choice(known, min(size, len(known)), replace=False))
    demand = panel.units[rows, origin : origin + config.horizon]
    began = time.perf_counter()
    theirs = pinball(auto_ets(panel, rows, config, origin), demand, config.levels).sum() / demand.sum()
    seconds = time.perf_counter() - began
    ours = pinball(made.forecast(panel.until(origin, config.horizon).rows(rows)).quantiles, demand, config.levels).sum()
    print(
        f"AutoETS on {len(rows)} series at the last origin: WQL {theirs:.4f} in {seconds:.0f} s; "
        f"served {ours / demand.sum():.4f}, {ours / demand.sum() / theirs:.3f} of it"
    )


def print_speed(panel: SeriesPanel, made: Forecaster) -> None:
    """Print the time for 10,000 series and for one."""
    many = panel.until(panel.time - made.config.horizon, made.config.horizon).rows(np.arange(10_000) % len(panel))
    made.forecast(many.rows(np.arange(100)))
    began = time.perf_counter()
    made.forecast(many)
    print(f"10,000 series: {time.perf_counter() - began:.2f} s")
    one = many.rows(np.arange(1))
    times = []
    for _ in range(20):
        began = time.perf_counter()
        made.forecast(one)
        times.append(time.perf_counter() - began)
    print(f"one series: {1e3 * np.median(times):.1f} ms (median of 20)")


def peers_at(panel: SeriesPanel, config: ForecasterConfig, origin: int) -> dict[str, np.ndarray]:
    """Return the quantiles of the plain peer, of units as they are and scaled."""
    origins = training_origins(origin, config, panel.step_days)
    past = panel.until(origin, config.horizon)
    return {
        name: plain_boosting(past, origins, config.horizon, config.levels, scaled=scaled)
        for name, scaled in ((PLAIN, False), (SCALED, True))
    }


def print_ratios(report: BacktestReport) -> None:
    """Print the served loss over that of each other method, in all and where it is worst by segment."""
    served = {score.segment: score.wql for score in report.scores if score.method == SERVED}
    for method in dict.fromkeys(score.method for score in report.scores):
        ratios = {
            score.segment: served[score.segment] / max(score.wql, 1e-9)
            for score in report.scores
            if score.method == method != SERVED
        }
        if ratios:
            worst = max(ratios, key=lambda segment: ratios[segment])
            print(f"served / {method:16}{ratios['all']:7.3f}, at worst {ratios[worst]:.3f} ({worst})")


def main() -> None:
    """Print scores by segment and method, times, and the ratio to each baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panel", choices=("demo", "simulated"), default="demo")
    parser.add_argument("--step", choices=("day", "week"), default="week")
    parser.add_argument("--network", choices=("transformer", "lstm"), default="transformer")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training of the networks")
    parser.add_argument("--passes", type=float, default=ForecasterConfig().passes, help="of a network's training")
    parser.add_argument("--series", type=int, default=100_000, help="the most sold codes only; 1,000 if simulated")
    parser.add_argument("--origins", type=int, default=3)
    parser.add_argument("--back", type=int, default=0, help="so many steps before the last origin, to tune without it")
    parser.add_argument("--ets", type=int, default=100, help="series that AutoETS is fitted to")
    parser.add_argument("--quick", action="store_true", help="a smoke run: few series, a small network")
    asked = parser.parse_args()
    config = weekly_config() if asked.step == "week" else ForecasterConfig()
    config = replace(
        config,
        network=asked.network,
        hidden=asked.hidden,
        layers=asked.layers,
        max_seconds=60 * asked.minutes,
        passes=asked.passes,
    )
    if asked.quick:
        config = replace(config, hidden=32, layers=1, max_steps=100)
        asked.series, asked.origins, asked.ets = min(asked.series, 300), 2, min(asked.ets, 10)
    step_days, truth = 7 if asked.step == "week" else 1, None
    if asked.panel == "demo":
        panel = demo_panel(step_days, asked.series)
    else:
        time_steps = 104 if step_days == 7 else 210
        series, asked.origins, asked.back = min(asked.series, 1000), 1, 0
        panel, truth = simulated_panel(step_days, series, time_steps, config.horizon, config.levels)
    last = panel.time - config.horizon - asked.back
    apart = config.horizon if asked.step == "day" else 2
    origins = [last - apart * back for back in reversed(range(asked.origins))]
    print(f"{len(panel)} series, {panel.time} steps; origins {origins}")
    made, peers = [], []
    for origin in origins:
        began = time.perf_counter()
        made.append(train_forecaster(panel.until(origin, 0), config))
        print(f"trained before step {origin} in {time.perf_counter() - began:.0f} s", flush=True)
        peers.append(peers_at(panel, config, origin) | ({} if truth is None else {TRUTH: truth}))
    report = judge(panel, made, origins, peers)
    print_report(report)
    print_ratios(report)
    print_speed(panel, made[-1])
    if asked.ets:
        compare_ets(panel, made[-1], origins[-1], asked.ets)


if __name__ == "__main__":
    main()
