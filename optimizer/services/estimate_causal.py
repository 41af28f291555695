"""Estimate a channel's elasticity as a cause. Only workers and commands load this file; needs the extra `causal`."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from django.db.models import Avg
from django.db.models.functions import Ln

from catalog.models import Channel, Listing, WeeklySales
from catalog.sku_week_file import SkuWeeks
from optimizer.engine.causal import CausalEstimate, CausalPanel, fixed_effects, two_stage_least_squares
from optimizer.engine.pricing_arrays import Floats
from optimizer.services.channel_sales import ChannelSales, channel_sales
from optimizer.services.evaluate_fit import HELD_OUT_WEEKS

OTHER_CHANNELS: Final = "price in other channels"


class CannotEstimate(ValueError):
    """There is nothing to estimate with; the message names the cure."""


@dataclass(frozen=True)
class CausalReport:
    """Hold the estimates, and how many of the channel's weeks of sales they rest on."""

    estimates: list[CausalEstimate]
    rows: int
    left_out: int


def estimate_causal(
    *, channel: Channel, instruments: SkuWeeks | None = None, other_channels: bool = False
) -> CausalReport:
    """Estimate a channel's own-price elasticity by fixed effects and, with instruments, by two-stage least squares.

    Instruments are the file's columns, and the same product's mean log price in all other channels in the week
    (``other_channels``). Weeks without a value of each are left out, and so are the channel's last four: models that
    begin with the estimate are judged by them.

    Raises:
        NothingToLearnFrom: the channel has no sales.
        CannotEstimate: hardly a week has all instruments, or one does not move.
    """
    sales = channel_sales(channel=channel)
    columns = _columns(channel, sales, instruments, other_channels)
    known = np.all([np.isfinite(column) for column in columns.values()], axis=0) if columns else None
    before = sales.panel.week <= sales.last_week - HELD_OUT_WEEKS
    rows = np.flatnonzero(before if known is None else before & known)
    entities, weeks = np.unique(sales.panel.sku[rows]), np.unique(sales.panel.week[rows])
    if len(rows) <= len(entities) + len(weeks) + len(columns):
        raise CannotEstimate(
            f"{len(rows):,} weeks of sales before the last {HELD_OUT_WEEKS} have all instruments, of {len(entities):,} "
            "SKUs: too few to tell the price's effect from theirs; give sales and values of more SKUs and weeks"
        )
    panel = CausalPanel(
        log_units=sales.panel.log_units[rows],
        log_price=sales.panel.log_price[rows],
        entity=sales.panel.sku[rows],
        week=sales.panel.week[rows],
        instruments={name: column[rows] for name, column in columns.items()},
    )
    try:
        estimates = [fixed_effects(panel), *([two_stage_least_squares(panel)] if columns else [])]
    except ValueError as error:
        raise CannotEstimate(str(error)) from error
    return CausalReport(estimates, len(rows), len(sales.panel) - len(rows))


def _columns(
    channel: Channel, sales: ChannelSales, instruments: SkuWeeks | None, other_channels: bool
) -> dict[str, Floats]:
    columns: dict[str, Floats] = {}
    if instruments is not None:
        skus = dict(Listing.objects.filter(channel=channel).values_list("pk", "product__sku"))
        nothing = [np.nan] * len(instruments.names)
        table = np.array([instruments.values.get((skus[pk], week), nothing) for pk, week in _keys(sales)])
        columns |= {name: table[:, number] for number, name in enumerate(instruments.names)}
    if other_channels:
        products = dict(Listing.objects.filter(channel=channel).values_list("pk", "product_id"))
        elsewhere = WeeklySales.objects.exclude(listing__channel=channel).filter(listing__product__in=products.values())
        means = {
            (product, week): mean
            for product, week, mean in elsewhere.values_list("listing__product", "week").annotate(mean=Avg(Ln("price")))
        }
        columns[OTHER_CHANNELS] = np.array(
            [float(means.get((products[pk], week), np.nan)) for pk, week in _keys(sales)]
        )
    return columns


def _keys(sales: ChannelSales) -> list[tuple[int, date]]:
    """Return (listing, Monday) of each row."""
    return [
        (sales.listing_ids[sku], sales.first + timedelta(weeks=week))
        for sku, week in zip(sales.panel.sku.tolist(), sales.panel.week.tolist(), strict=True)
    ]
