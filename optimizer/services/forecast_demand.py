"""Forecast every listing of a channel and store it. Only workers and commands load this file."""

import io
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

import numpy as np
import orjson
import polars as pl
from django.db import connection, transaction

from catalog.models import Channel
from optimizer.engine.forecasting import Forecast, Forecaster, from_bytes
from optimizer.expected_units import expected_units
from optimizer.models import DemandForecast, DemandForecaster
from optimizer.selectors.forecasts import forecasters, live_forecaster
from optimizer.services.forecast_panel import ChannelPanel, forecast_panel

CHUNK: Final = 5_000
DIGITS: Final = 6
COLUMNS: Final = "listing_id, from_day, elasticity, method, cold_start, prices, quantiles, interval80, expected"
STAGE: Final = """
DROP TABLE IF EXISTS pg_temp.staged_forecast;
CREATE TEMPORARY TABLE staged_forecast (
    listing_id bigint, from_day date, elasticity float8, method text, cold_start bool,
    prices float8[], quantiles float8[], interval80 float8[], expected float8[]) ON COMMIT DROP
"""
# In the order of their keys: two that store at once wait for each other and never deadlock; the newer one stays.
STORE: Final = """
INSERT INTO optimizer_demandforecast AS stored
       (listing_id, step, forecaster_id, made_at, from_day, elasticity, method, cold_start, prices, quantiles,
        interval80, expected)
SELECT staged.listing_id, %(step)s, %(forecaster)s, %(now)s, from_day, elasticity, method, cold_start,
       prices, quantiles, interval80, expected
  FROM staged_forecast staged JOIN catalog_listing listing ON listing.id = staged.listing_id ORDER BY staged.listing_id
    ON CONFLICT (listing_id, step) DO UPDATE
   SET forecaster_id = excluded.forecaster_id, made_at = excluded.made_at, from_day = excluded.from_day,
       elasticity = excluded.elasticity, method = excluded.method, cold_start = excluded.cold_start,
       prices = excluded.prices, quantiles = excluded.quantiles, interval80 = excluded.interval80,
       expected = excluded.expected
 WHERE stored.made_at <= excluded.made_at
"""


class NoForecaster(ValueError):
    """No forecaster is live; the message names the cure."""


def forecast_demand(
    *, channel: Channel, step: str, now: datetime, progress: Callable[[int, int], object] = lambda done, of: None
) -> int:
    """Forecast all active listings with the live forecaster; return how many forecasts are stored.

    A forecast replaces that of the same listing and step, so that there is one of each: asked again, or begun again
    after a kill, it comes to the same. A chunk of listings is one transaction. Forecasts of listings that are not
    active any more are removed at the end.

    Raises:
        NoForecaster: none is live, or it cannot be read by this installation.
        NothingToLearnFrom: the channel has no sales of that step.
    """
    live = live_forecaster(channel=channel, step=step)
    if live is None:
        raise NoForecaster(f"channel {channel.code!r} has no live forecaster by {step}: {_cure(channel, step)}")
    made, found = _loaded(live), forecast_panel(channel=channel, step=step)
    started = time.monotonic()
    forecast = made.forecast(found.panel)
    seconds = time.monotonic() - started
    rows = _rows(found, forecast)
    for begin in range(0, rows.height, CHUNK):
        _store(rows[begin : begin + CHUNK], live, now)
        progress(min(begin + CHUNK, rows.height), rows.height)
    DemandForecast.objects.filter(listing__channel=channel, step=step, made_at__lt=now).delete()
    DemandForecaster.objects.filter(pk=live.pk).update(inference_seconds=seconds)
    return rows.height


def _cure(channel: Channel, step: str) -> str:
    """Say how one comes to be live: of the newest candidate why it is not, and what can be done."""
    train = f"run `manage.py train_forecaster --channel {channel.code} --step {step}`"
    newest = forecasters().filter(channel=channel, step=step).first()
    if newest is None:
        return f"{train} first"
    promote = f"`manage.py promote_forecaster {newest.pk}"
    if not newest.verdict:
        return f"{newest} was not judged: run `manage.py evaluate_forecaster {newest.pk}`, then {promote}`"
    if newest.verdict["passes"]:
        return f"{newest} passed the gate: run {promote}`"
    overrule = f'{promote} --overrule --reason "…" --author NAME`'
    return (
        f"the gate refused {newest}: {newest.verdict['words']}; {train} with more --minutes, or overrule it: {overrule}"
    )


def _loaded(live: DemandForecaster) -> Forecaster:
    try:
        return from_bytes(bytes(live.artefact))
    except ValueError as error:
        raise NoForecaster(f"{live}: {error}") from error


def _rows(found: ChannelPanel, forecast: Forecast) -> pl.DataFrame:
    ahead = found.panel.price[:, found.panel.units.shape[1] :]
    return pl.DataFrame(
        {
            "listing_id": found.listing_ids,
            "from_day": [found.start] * len(found.listing_ids),
            "elasticity": found.panel.elasticity,
            "method": list(forecast.method),
            "cold_start": np.asarray(forecast.cold_start),
            "prices": _arrays(ahead),
            "quantiles": _arrays(forecast.quantiles),
            "interval80": _arrays(forecast.interval80),
            "expected": _arrays(expected_units(forecast.quantiles, forecast.levels)),
        }
    )


def _arrays(values: np.ndarray) -> list[str]:
    """Return each row as Postgres writes an array, to so many digits as a forecast can have."""
    plain = np.round(np.ascontiguousarray(values, dtype=np.float64), DIGITS)
    return [orjson.dumps(row.tolist()).decode().replace("[", "{").replace("]", "}") for row in plain]


@transaction.atomic
def _store(rows: pl.DataFrame, live: DemandForecaster, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        text = io.BytesIO()
        rows.write_csv(text, include_header=False)
        with cursor.copy(f"COPY staged_forecast ({COLUMNS}) FROM STDIN (FORMAT csv)") as copy:
            copy.write(text.getvalue())
        cursor.execute(STORE, {"step": live.step, "forecaster": live.pk, "now": now})
