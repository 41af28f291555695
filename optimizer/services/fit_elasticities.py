"""Learn the elasticities of all listings of a channel and store them. Only workers and commands load this file."""

import hashlib
import io
import json
import math
import time
from dataclasses import asdict
from datetime import date, datetime

import numpy as np
import polars as pl
from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from catalog.models import Channel
from optimizer.engine import DemandPanel, ElasticityConfig, fit_elasticities, resolve_device
from optimizer.engine import ElasticityFit as EngineFit
from optimizer.models import ElasticityEstimate, ElasticityFit

INSERT_BATCH = 2_000
FIT_VERSION = 1  # raise it when the same sales come to other estimates
SALES_SQL = """
COPY (
    SELECT sales.listing_id, sales.week, sales.units, sales.price
      FROM catalog_weeklysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
     WHERE listing.channel_id = {channel} ORDER BY sales.listing_id, sales.week
) TO STDOUT (FORMAT csv, HEADER)
"""


class NothingToLearnFrom(ValueError):
    """The channel has no sales; the message names the cure."""


def fit_channel(*, channel: Channel, now: datetime, config: ElasticityConfig | None = None) -> ElasticityFit:
    """Fit the channel's weekly sales and store a posterior for each listing that sold; return the fit.

    The same sales under the same configuration are fitted once. One transaction: a fit is there with all its estimates
    or not at all.

    Raises:
        NothingToLearnFrom: the channel has no sales.
    """
    config = config or ElasticityConfig(device=settings.PRICING_DEVICE)
    text = _sales_csv(channel)
    settings_of_fit = {name: value for name, value in asdict(config).items() if name != "device"}
    settings_of_fit["version"] = FIT_VERSION
    fingerprint = hashlib.sha256(text + json.dumps(settings_of_fit, sort_keys=True).encode()).hexdigest()
    if known := ElasticityFit.objects.filter(channel=channel, fingerprint=fingerprint).first():
        return known
    sales = pl.read_csv(io.BytesIO(text), try_parse_dates=True)
    if sales.is_empty():
        raise NothingToLearnFrom(f"channel {channel.code!r} has no sales: run `manage.py import_sales` first")
    started = time.monotonic()
    listing_ids = sales["listing_id"].unique(maintain_order=True)
    weeks = _week_numbers(sales)
    found = fit_elasticities(_panel(sales, weeks, listing_ids), config)
    rows = _estimates(found, listing_ids, _share_of_weeks_with_sales(sales, weeks), last_week=int(weeks.max()))
    return _store(
        ElasticityFit(
            channel=channel,
            fingerprint=fingerprint,
            config=settings_of_fit,
            data_from=_as_date(sales["week"].min()),
            data_to=_as_date(sales["week"].max()),
            created_at=now,
            seconds=time.monotonic() - started,
            device=str(resolve_device(config.device).final),
            diagnostics=_diagnostics(found),
        ),
        rows,
    )


def _sales_csv(channel: Channel) -> bytes:
    statement = sql.SQL(SALES_SQL).format(channel=sql.Literal(channel.pk))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(block) for block in copy)


def _week_numbers(sales: pl.DataFrame) -> np.ndarray:
    """Return each row's week, counted from the first week of the panel."""
    first = sales["week"].min()
    return (sales["week"] - first).dt.total_days().to_numpy() // 7


def _panel(sales: pl.DataFrame, weeks: np.ndarray, listing_ids: pl.Series) -> DemandPanel:
    return DemandPanel(
        sku=np.searchsorted(listing_ids.to_numpy(), sales["listing_id"].to_numpy()).astype(np.int64),
        week=weeks.astype(np.int64),
        log_price=np.log(sales["price"].to_numpy().astype(np.float64)),
        log_units=np.log(sales["units"].to_numpy().astype(np.float64)),
        n_skus=len(listing_ids),
    )


def _share_of_weeks_with_sales(sales: pl.DataFrame, weeks: np.ndarray) -> np.ndarray:
    """Return, by listing, in which share of the weeks since its first sale it sold at all."""
    counted = (
        sales.with_columns(number=pl.Series(weeks))
        .group_by("listing_id", maintain_order=True)
        .agg(share=pl.len() / (int(weeks.max()) - pl.col("number").min() + 1))
    )
    return counted["share"].to_numpy()


def _estimates(
    found: EngineFit, listing_ids: pl.Series, share: np.ndarray, *, last_week: int
) -> list[ElasticityEstimate]:
    """Return a row a listing; demand is that of the last week, times the share of weeks in which the listing sold."""
    demand, log_demand_sd = found.demand_at(found.reference_log_price, week=last_week)
    notes = found.notes()
    return [
        ElasticityEstimate(
            listing_id=listing_id,
            mean=found.elasticity_mean[index],
            sd=found.elasticity_sd[index],
            reference_price=math.exp(found.reference_log_price[index]),
            base_demand=demand[index] * share[index],
            log_demand_sd=log_demand_sd[index],
            weeks=found.n_weeks[index],
            log_price_sd=found.log_price_sd[index],
            residual_sd=found.residual_sd[index],
            r2=found.r2[index],
            shrinkage=found.shrinkage[index],
            informed=bool(found.informed[index]),
            note=notes[index],
        )
        for index, listing_id in enumerate(listing_ids.to_list())
    ]


def _diagnostics(found: EngineFit) -> dict[str, float]:
    # Where no SKU is informed, the prior speaks for all of them.
    told = found.informed if found.informed.any() else np.ones(len(found), dtype=bool)
    return {
        "listings": len(found),
        "informed": int(found.informed.sum()),
        "mean_elasticity": float(found.elasticity_mean[told].mean()),
        "median_sd": float(np.median(found.elasticity_sd[told])),
        "median_r2": float(np.median(found.r2[told])),
        "noise_freedom": found.noise_prior[0],
        "noise_variance": found.noise_prior[1],
    }


@transaction.atomic
def _store(fit: ElasticityFit, rows: list[ElasticityEstimate]) -> ElasticityFit:
    fit.save()
    for row in rows:
        row.fit = fit
    ElasticityEstimate.objects.bulk_create(rows, batch_size=INSERT_BATCH)
    return fit


def _as_date(value: object) -> date:
    assert isinstance(value, date)
    return value
