"""Show stored forecasts in the terminal and write them to files. Only commands load this file."""

from pathlib import Path
from typing import Any, Final

import polars as pl

from catalog.models import Channel
from catalog.selectors.listings import listing_of
from catalog.whole_file import whole_file
from optimizer.models import DemandForecast
from optimizer.selectors.forecasts import forecast_steps, level_place, stored_forecast

BATCH: Final = 2_000
MEDIAN: Final = 0.5


class CannotExport(ValueError):
    """A SKU without a forecast, or a file that cannot be written; the message names the cure."""


def forecast_lines(*, channel: Channel, step: str, sku: str) -> list[str]:
    """Return the forecast of one SKU in words, a line a step.

    Raises:
        CannotExport: there is none.
    """
    forecast = _required(channel, step, sku)
    start = ", from its category: it has too little history" if forecast.cold_start else ""
    lines = [f"{sku} by {forecast.method} of {forecast.forecaster}{start}"]
    for each in forecast_steps(forecast):
        middle = each.quantiles[level_place(forecast.forecaster.levels, MEDIAN)]
        lines.append(f"{each.day}: {middle:.1f} units, in 8 of 10 cases {each.low80:.1f} to {each.high80:.1f}")
    return lines


def export_forecasts(*, channel: Channel, step: str, path: Path, sku: str | None = None) -> int:
    """Write stored forecasts, a row a SKU and step, to CSV or Parquet by the file's ending; return the rows.

    The file comes into being whole or not at all.

    Raises:
        CannotExport: no forecast of the SKU, or the file cannot be written.
    """
    found = DemandForecast.objects.filter(listing__channel=channel, step=step).order_by("listing__product__sku")
    if sku is not None:
        found = found.filter(pk=_required(channel, step, sku).pk)
    chosen = found.select_related("listing__product", "forecaster").defer("forecaster__artefact")
    rows = [row for forecast in chosen.iterator(chunk_size=BATCH) for row in _table(forecast)]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    try:
        with whole_file(path) as beside:
            frame.write_parquet(beside) if path.suffix == ".parquet" else frame.write_csv(beside)
    except OSError as error:
        raise CannotExport(f"--output: {path}: {error}: give a file that can be written") from error
    return frame.height


def _table(forecast: DemandForecast) -> list[dict[str, Any]]:
    levels = [f"q{level:g}" for level in forecast.forecaster.levels]
    return [
        {
            "sku": forecast.listing.product.sku,
            "day": each.day,
            "price": each.price,
            **dict(zip(levels, each.quantiles, strict=True)),
            "low80": each.low80,
            "high80": each.high80,
            "method": forecast.method,
            "cold_start": forecast.cold_start,
        }
        for each in forecast_steps(forecast)
    ]


def _required(channel: Channel, step: str, sku: str) -> DemandForecast:
    listing = listing_of(channel=channel.code, sku=sku)
    forecast = None if listing is None else stored_forecast(listing=listing, step=step)
    if forecast is None:
        raise CannotExport(f"--sku: no active SKU {sku!r} in channel {channel.code!r}: the admin lists those it has")
    return forecast
