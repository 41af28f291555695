"""How well demand is forecast on the demo's sales, beside a seasonal naive forecast, LightGBM and AutoETS.

`.venv/bin/python -m benchmarks.forecast_accuracy [--step day|week] [--network transformer|lstm] [--quick]`, with the
extra `forecast`. Models are trained before each origin and judged on the horizon after it; nothing after an origin is
read. AutoETS is fitted to a sample of series, drawn with a seed, and compared on that sample.
"""

import argparse
import time
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from optimizer.engine.forecasting import (
    SEGMENTS,
    BacktestReport,
    Forecaster,
    ForecasterConfig,
    SeriesPanel,
    judge,
    train_forecaster,
    weekly_config,
)
from optimizer.engine.forecasting.scores import pinball

DATA = "data/online_retail/online_retail.parquet"


def demo_panel(step_days: int, most: int) -> SeriesPanel:
    """Return the demo's sales by day or week: lines with units and a price, of codes that begin with five digits."""
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
    units, paid = np.zeros(shape), np.zeros(shape)
    np.add.at(units, (row, step), lines["units"].to_numpy())
    np.add.at(paid, (row, step), (lines["units"] * lines["price"]).to_numpy())
    price = _filled(np.where(units > 0, paid / np.maximum(units, 1), np.nan))
    first = (units > 0).argmax(1)
    units, price = units[:, :time_steps], price[:, :time_steps]
    keep = first < time_steps - 1
    calendar = _calendar(time_steps, step_days, start)
    return SeriesPanel(
        step_days=step_days,
        units=units[keep],
        first=first[keep],
        price=price[keep],
        promotion=np.zeros_like(units[keep]),
        sold_out=np.zeros(units[keep].shape, bool),
        calendar=calendar,
        category=np.zeros(keep.sum(), int),
        elasticity=np.full(keep.sum(), -1.5),
    )


def _filled(price: np.ndarray) -> np.ndarray:
    """Return prices with steps without sales at the price before: what is in force needs no sale."""
    frame = pl.DataFrame(price.T).with_columns(pl.all().fill_nan(None).forward_fill().backward_fill())
    return frame.to_numpy().T


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


def print_report(report: BacktestReport, methods: list[str]) -> None:
    """Print a line for each segment and method."""
    print(f"{'segment':14}{'method':16}{'WQL':>8}{'cover':>8}{'ranks':>8}{'width':>9}{'units':>10}")
    for segment in (*SEGMENTS, "all"):
        for score in report.scores:
            if score.segment == segment and score.method in methods:
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


def main() -> None:
    """Print scores by segment and method, times, and the ratio to the best baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=("day", "week"), default="week")
    parser.add_argument("--network", choices=("transformer", "lstm"), default="transformer")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=5.0, help="of each training of the network")
    parser.add_argument("--series", type=int, default=100_000, help="the most sold codes only")
    parser.add_argument("--origins", type=int, default=3)
    parser.add_argument("--ets", type=int, default=100, help="series that AutoETS is fitted to")
    parser.add_argument("--quick", action="store_true", help="a smoke run: few series, a small network")
    asked = parser.parse_args()
    config = weekly_config() if asked.step == "week" else ForecasterConfig()
    config = replace(
        config, network=asked.network, hidden=asked.hidden, layers=asked.layers, max_seconds=60 * asked.minutes
    )
    if asked.quick:
        config = replace(config, hidden=32, layers=1, max_steps=100)
        asked.series, asked.origins, asked.ets = min(asked.series, 300), 2, 10
    panel = demo_panel(7 if asked.step == "week" else 1, asked.series)
    last = panel.time - config.horizon
    apart = config.horizon if asked.step == "day" else 2
    origins = [last - apart * back for back in reversed(range(asked.origins))]
    print(f"{len(panel)} series, {panel.time} steps; origins {origins}")
    made = []
    for origin in origins:
        began = time.perf_counter()
        made.append(train_forecaster(panel.until(origin, 0), config))
        print(f"trained before step {origin} in {time.perf_counter() - began:.0f} s", flush=True)
    report = judge(panel, made, origins)
    print_report(report, ["served", *made[0].methods])
    baselines = [name for name in ("seasonal_naive", "lightgbm") if name in made[0].methods]
    best = min(report.score("all", name).wql for name in baselines)
    print(f"served is {report.score('all', 'served').wql / best:.3f} of the best baseline's WQL")
    print_speed(panel, made[-1])
    if asked.ets:
        compare_ets(panel, made[-1], origins[-1], asked.ets)


if __name__ == "__main__":
    main()
