"""A shop's weekly sales, cut into the panels of its categories."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..demand_panel import LEAST_WEEKS, DemandPanel
from ..hierarchy import USUAL_EFFECTS
from ..pricing_arrays import Floats
from ..season import week_effects
from .fit import MOST_PRODUCTS
from .panel import CategoryPanel

LEAST_PRODUCTS: Final = 2
SEASON_ROUNDS: Final = 5
LEAST_MOVED: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Categories:
    """Hold the categories of a shop that cross-price elasticities can be learned of.

    Of a SKU the usual weeks count, without promotion and not sold out; with fewer than 8 of them it is left out.

    Args:
        members: for each category, (product,) int64 SKUs of the panel, rising.
        too_large, too_small: how many categories have more than 80 such SKUs, or fewer than two.
        sales, usual, season: the shop's weeks by SKU, which of them are usual, and what each week was for the shop.
    """

    members: list[Ints]
    too_large: int
    too_small: int
    sales: DemandPanel
    usual: NDArray[np.bool_]
    season: Floats

    @classmethod
    def of(cls, sales: DemandPanel, category: Ints) -> Self:
        """Cut a panel into categories.

        Args:
            sales: the shop's weeks with sales.
            category: (sku,) int64 codes ≥ 0.
        """
        sales = sales.sorted_by_sku()
        usual = sales.is_usual()
        enough = np.bincount(sales.sku[usual], minlength=sales.n_skus) >= LEAST_WEEKS
        order = np.argsort(category, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(category[order])) + 1)
        kept = [members[enough[members]] for members in groups]
        return cls(
            members=[each for each in kept if LEAST_PRODUCTS <= len(each) <= MOST_PRODUCTS],
            too_large=sum(len(each) > MOST_PRODUCTS for each in kept),
            too_small=sum(len(each) < LEAST_PRODUCTS for each in kept),
            sales=sales,
            usual=usual,
            season=_season(sales.of_rows(usual), sales.week),
        )

    def panels(self) -> Iterator[tuple[Ints, CategoryPanel]]:
        """Return each category's SKUs with its panel.

        In weeks without sales the price is the last one that was paid, before the first sale the first one.
        """
        bounds = np.searchsorted(self.sales.sku, np.arange(self.sales.n_skus + 1))
        for members in self.members:
            yield members, self._panel([slice(bounds[sku], bounds[sku + 1]) for sku in members.tolist()])

    def _panel(self, rows_of: list[slice]) -> CategoryPanel:
        price, units = np.full((2, len(self.season), len(rows_of)), np.nan)
        first_week = self.sales.week.min()
        for column, rows in enumerate(rows_of):
            week = self.sales.week[rows] - first_week
            price[week, column] = self.sales.log_price[rows]
            units[week, column] = np.where(self.usual[rows], self.sales.log_units[rows], np.nan)
        return CategoryPanel(log_price=_filled(price), log_units=units, season=self.season)


def _season(usual: DemandPanel, all_weeks: Ints) -> Floats:
    """Return what each week was for the shop, (week,), with what each SKU's own price explains taken out.

    Where few SKUs make up the shop, what is left of their prices in it would pass for effects on each other.
    """
    first, weeks = int(all_weeks.min()), int(all_weeks.max() - all_weeks.min()) + 1
    sku, week = usual.sku, usual.week - first
    price, own = _around_mean(usual.log_price, usual), USUAL_EFFECTS["log_price"]
    moved = np.bincount(sku, weights=price**2, minlength=usual.n_skus)
    slope, season = np.full(usual.n_skus, own.mean), np.zeros(weeks)
    for _ in range(SEASON_ROUNDS):
        plain = torch.from_numpy(usual.log_units - slope[sku] * price)
        season = week_effects(plain, torch.from_numpy(sku), torch.from_numpy(week), usual.n_skus, weeks).numpy()
        left = _around_mean(usual.log_units - season[week], usual)
        worth = float((left - slope[sku] * price).var() / (own.sd**2 + own.spread**2))
        answer = np.bincount(sku, weights=price * left, minlength=usual.n_skus)
        slope = (answer + worth * own.mean) / np.maximum(moved + worth, LEAST_MOVED)
    return np.asarray(season)


def _around_mean(values: Floats, usual: DemandPanel) -> Floats:
    """Return (row,) values less the mean of their SKU."""
    count = np.maximum(np.bincount(usual.sku, minlength=usual.n_skus), 1)
    mean = np.bincount(usual.sku, weights=values, minlength=usual.n_skus) / count
    return np.asarray(values - mean[usual.sku])


def _filled(price: Floats) -> Floats:
    """Carry (week, product) prices on into weeks where they are not known, and the first ones back."""
    known, week = np.isfinite(price), np.arange(len(price))[:, None]
    latest = np.maximum.accumulate(np.where(known, week, -1), axis=0)
    return np.take_along_axis(price, np.where(latest < 0, known.argmax(0), latest), axis=0)
