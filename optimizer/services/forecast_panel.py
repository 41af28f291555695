"""A channel's sales, prices and what is known ahead, as forecasters read it. Only workers load this file."""

import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.models import Channel
from catalog.reading import copied_csv
from catalog.selectors.holidays import days_with_holidays
from optimizer.engine.forecasting import ForecasterConfig, SeriesPanel, weekly_config
from optimizer.engine.pricing_arrays import Floats
from optimizer.models import ForecastStep
from optimizer.selectors.live_models import live_fit
from optimizer.services.channel_sales import NothingToLearnFrom

HORIZON: Final = {ForecastStep.DAY: ForecasterConfig().horizon, ForecastStep.WEEK: weekly_config().horizon}
HISTORY_DAYS: Final = 3 * 364
"""Older sales are not read: three years show a season thrice, and a panel is dense."""

PRIOR_ELASTICITY: Final = -1.5
CLOSED_WEEKS: Final = 6
"""A weekday on which the whole shop sold nothing for so many weeks is one on which it is closed."""

PAID: Final = 5
"""A price is the median of so many that were paid: one alone falls with quantity, and would tell how much was sold."""

YEAR: Final = 365.25
LISTINGS: Final = """
SELECT listing.id AS listing_id, coalesce(product.category_id, -1) AS category,
       coalesce(listing.price, listing.list_price) AS price, coalesce(estimate.mean, {prior}) AS elasticity
  FROM catalog_listing listing JOIN catalog_product product ON product.id = listing.product_id
  LEFT JOIN optimizer_elasticityestimate estimate ON estimate.listing_id = listing.id AND estimate.fit_id = {fit}
 WHERE listing.channel_id = {channel} AND product.is_active ORDER BY listing.id
"""
SALES: Final = {
    ForecastStep.DAY: """
SELECT sales.listing_id, sales.day, sales.units, sales.revenue / sales.units AS price
  FROM catalog_dailysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
 WHERE listing.channel_id = {channel}
""",
    ForecastStep.WEEK: """
SELECT sales.listing_id, sales.week AS day, sales.units, sales.price
  FROM catalog_weeklysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
 WHERE listing.channel_id = {channel}
""",
}
LEDGER: Final = """
SELECT change.listing_id, change.valid_from::date AS day, change.price
  FROM catalog_pricechange change JOIN catalog_listing listing ON listing.id = change.listing_id
 WHERE listing.channel_id = {channel} AND change.valid_from >= {first} AND change.valid_from < {start}
 ORDER BY change.listing_id, change.version
"""
CONDITIONS: Final = """
SELECT conditions.listing_id, conditions.week AS day, conditions.promotion, conditions.stocked_out::int AS stocked_out
  FROM catalog_weekconditions conditions JOIN catalog_listing listing ON listing.id = conditions.listing_id
 WHERE listing.channel_id = {channel} AND conditions.week > {first}::date - 7 AND conditions.week < {end}
"""
# What began or ended earlier or later than planned counts as it was.
PLANNED: Final = """
SELECT planned.listing_id, coalesce(started_at, lower(period))::date AS first,
       (least(coalesce(ended_at, upper(period)), {end}) - interval '1 microsecond')::date AS last,
       planned.price, (kind = 'promotion')::int AS promotion
  FROM catalog_priceoverride planned JOIN catalog_listing listing ON listing.id = planned.listing_id
 WHERE listing.channel_id = {channel} AND status IN ('scheduled', 'active', 'ended')
   AND period && tstzrange({first}, {end}) ORDER BY planned.id
"""
TYPES: Final = {
    "listing_id": pl.Int64, "category": pl.Int64, "day": pl.Date, "first": pl.Date, "last": pl.Date,
    "units": pl.Float64, "price": pl.Float64, "elasticity": pl.Float64, "promotion": pl.Float64,
    "stocked_out": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True)
class ChannelPanel:
    """Hold a panel: series i is listing ``listing_ids[i]``, step 0 begins on ``first``.

    Args:
        panel: the series up to the last step with sales, and what is known of the steps after it.
        listing_ids: (series,).
        first: first day of step 0.
        start: first day after the history: that of the first step of a forecast.
    """

    panel: SeriesPanel
    listing_ids: NDArray[np.int64]
    first: date
    start: date


def forecast_panel(*, channel: Channel, step: str) -> ChannelPanel:
    """Read what a channel's active listings sold by day or week, and what is known beside it.

    A price is the median of the last five steps' paid prices, what the ledger says or the last one where nothing sold,
    and ahead what is in force or planned. A week that sold out counts as sold out on all its days.

    Raises:
        NothingToLearnFrom: no sales of that step.
    """
    of_step = ForecastStep(step)
    sales = _read(SALES[of_step], channel=channel.pk)
    listings = _read(LISTINGS, channel=channel.pk, fit=_fit(channel), prior=PRIOR_ELASTICITY)
    sales = sales.filter(pl.col("listing_id").is_in(listings["listing_id"].implode()))
    if sales.is_empty():
        raise NothingToLearnFrom(f"channel {channel.code!r} has no sales by {step}: run `manage.py import_sales` first")
    window = _window(sales, of_step)
    sales = sales.filter(pl.col("day") >= window.first)
    ids = listings["listing_id"].to_numpy()
    units = np.zeros((len(ids), window.steps))
    row, at = window.places(ids, sales)
    units[row, at] = sales["units"].to_numpy()
    price = _prices(listings, sales, window, channel, ids)
    promotion, sold_out = _conditions(window, channel, ids)
    _plan(price, promotion, window, channel, ids)
    first = np.where(units.any(axis=1), (units > 0).argmax(axis=1), window.steps)
    panel = SeriesPanel(
        step_days=of_step.days,
        units=units,
        first=first.astype(np.int64),
        price=price,
        promotion=np.clip(promotion, 0.0, 1.0),
        sold_out=sold_out,
        calendar=_calendar(units, window, channel),
        category=np.unique(listings["category"].to_numpy(), return_inverse=True)[1].astype(np.int64),
        elasticity=np.minimum(listings["elasticity"].to_numpy(), 0.0),
    )
    return ChannelPanel(panel, ids, window.first, window.start)


@dataclass(frozen=True)
class _Window:
    """Hold which days a panel has: ``steps`` of history from ``first`` on, then the horizon."""

    first: date
    steps: int
    horizon: int
    days: int

    @property
    def start(self) -> date:
        return self.first + timedelta(days=self.days * self.steps)

    @property
    def end(self) -> date:
        return self.start + timedelta(days=self.days * self.horizon)

    @property
    def total(self) -> int:
        return self.steps + self.horizon

    def places(self, ids: NDArray[np.int64], frame: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return series and step of each row."""
        return np.searchsorted(ids, frame["listing_id"].to_numpy()), self.steps_of(frame["day"])

    def steps_of(self, day: pl.Series) -> NDArray[np.int64]:
        return np.asarray((day - self.first).dt.total_days().to_numpy() // self.days, dtype=np.int64)

    def bounds(self, channel: Channel) -> dict[str, Any]:
        return {"channel": channel.pk, "first": self.first, "start": self.start, "end": self.end}


def _window(sales: pl.DataFrame, step: ForecastStep) -> _Window:
    oldest, newest = sales["day"].min(), sales["day"].max()
    assert isinstance(oldest, date) and isinstance(newest, date)
    first = max(oldest, newest - timedelta(days=HISTORY_DAYS - step.days))
    return _Window(first, (newest - first).days // step.days + 1, HORIZON[step], step.days)


def _prices(
    listings: pl.DataFrame, sales: pl.DataFrame, window: _Window, channel: Channel, ids: NDArray[np.int64]
) -> Floats:
    price = np.full((len(ids), window.total), np.nan)
    paid = sales.sort("listing_id", "day").with_columns(
        pl.col("price").rolling_median(PAID, min_samples=1).over("listing_id")
    )
    for known in (_known(_read(LEDGER, **window.bounds(channel)), ids), paid):
        price[window.places(ids, known)] = known["price"].to_numpy()
    price[:, window.steps :] = listings["price"].to_numpy()[:, None]
    return _filled(price)


def _filled(price: Floats) -> Floats:
    """Return prices with the last known one where none is, and the first known one before it."""
    known = np.where(np.isnan(price), 0, np.arange(price.shape[1]))
    known = np.maximum.accumulate(known, axis=1)
    filled = np.take_along_axis(price, known, axis=1)
    first = np.take_along_axis(price, (~np.isnan(price)).argmax(axis=1)[:, None], axis=1)
    return np.where(np.isnan(filled), first, filled)


def _conditions(window: _Window, channel: Channel, ids: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
    promotion = np.zeros((len(ids), window.total))
    sold_out = np.zeros((len(ids), window.steps), dtype=np.bool_)
    known = _known(_read(CONDITIONS, **window.bounds(channel)), ids)
    row, begin = window.places(ids, known)
    for day in range(7 // window.days):
        at = begin + day
        inside = (at >= 0) & (at < window.total)
        promotion[row[inside], at[inside]] = known["promotion"].to_numpy()[inside]
        past = inside & (at < window.steps) & (known["stocked_out"].to_numpy() > 0)
        sold_out[row[past], at[past]] = True
    return promotion, sold_out


def _plan(price: Floats, promotion: Floats, window: _Window, channel: Channel, ids: NDArray[np.int64]) -> None:
    """Enter overrides and promotions: the promotion whenever it was or will be, the price in the steps ahead."""
    planned = _known(_read(PLANNED, **window.bounds(channel)), ids)
    rows = np.searchsorted(ids, planned["listing_id"].to_numpy())
    begins, ends = window.steps_of(planned["first"]), window.steps_of(planned["last"]) + 1
    for row, begin, end, asked, promoted in zip(
        rows, np.maximum(begins, 0), ends, planned["price"], planned["promotion"], strict=True
    ):
        if promoted:
            promotion[row, begin:end] = 1.0
        price[row, max(begin, window.steps) : end] = asked


def _calendar(units: Floats, window: _Window, channel: Channel) -> Floats:
    """Return (time + horizon, k): weekdays, holidays, closed days, and the season of the year as sine and cosine."""
    days = [window.first + timedelta(days=window.days * step) for step in range(window.total)]
    of_year = 2 * np.pi * np.array([day.timetuple().tm_yday for day in days]) / YEAR
    holiday = np.array(days_with_holidays(country=channel.country, first=window.first, days=window.days * window.total))
    season = [np.sin(of_year), np.cos(of_year)]
    share = holiday.reshape(window.total, window.days).mean(axis=1)
    if window.days > 1:
        return np.column_stack([share, *season])
    weekday = np.array([day.weekday() for day in days])
    return np.column_stack([np.eye(7)[weekday], share, _closed(units, weekday, holiday), *season])


def _closed(units: Floats, weekday: NDArray[np.int64], holiday: NDArray[np.bool_]) -> Floats:
    """Tell on which days the shop is closed: past days without any sale, then weekdays and holidays that were so."""
    past = units.shape[1]
    empty = units.sum(axis=0) == 0
    closed = np.zeros(len(weekday))
    closed[:past] = empty
    for day in range(7):
        recent = empty[weekday[:past] == day][-CLOSED_WEEKS:]
        closed[past:][weekday[past:] == day] = float(len(recent) > 0 and recent.all())
    if holiday[:past].any() and empty[holiday[:past]].all():
        closed[past:][holiday[past:]] = 1.0
    return closed


def _known(frame: pl.DataFrame, ids: NDArray[np.int64]) -> pl.DataFrame:
    return frame.filter(pl.col("listing_id").is_in(ids.tolist()))


def _fit(channel: Channel) -> int | None:
    fit = live_fit(channel=channel)
    return None if fit is None else fit.pk


def _read(statement: str, **values: Any) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(copied_csv(statement, **values)), schema_overrides=TYPES)
