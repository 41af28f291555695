"""The hierarchical fit of a shop's weekly sales: what a run of prices needs of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..demand_panel import LEAST_LOG_PRICE_SD, LEAST_WEEKS, WEEKS_PER_YEAR, DemandPanel
from ..pricing_arrays import Floats
from ..season import week_effects
from ..validation import DemandLine
from .config import HierarchyConfig
from .fit import fit_hierarchy
from .panel import SeriesPanel
from .results import HierarchicalFit

NAMES: Final = ("log_price", "season", "trend")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyDemandFit:
    """Hold each SKU's demand in the last week of its panel, (sku,) each.

    Args:
        fit: the whole posterior; features are around each SKU's mean log price, and zero in the last week.
        elasticity_mean, elasticity_sd: posterior of the elasticity, signed.
        reference_log_price: the SKU's mean log price; NaN without sales.
        log_demand: posterior mean of ln units at the reference price in the last week; NaN without sales.
        log_demand_sd: its posterior standard deviation; NaN without sales.
        weeks: rows used.
        log_price_sd: standard deviation of the SKU's log prices.
        residual_sd: of the noise of a week, ln units.
        r2: share of the variance of ln units that the fit explains; 0 where there is none.
        shrinkage: 1 − sd²/prior sd²: 0 where the category speaks, near 1 where the SKU's own sales do.
        informed: whether the SKU's own sales say something about its elasticity.
        season: (week,), what all SKUs share of ln units in each week of the panel, less that of the last usual week.
    """

    fit: HierarchicalFit
    elasticity_mean: Floats
    elasticity_sd: Floats
    reference_log_price: Floats
    log_demand: Floats
    log_demand_sd: Floats
    weeks: Ints
    log_price_sd: Floats
    residual_sd: Floats
    r2: Floats
    shrinkage: Floats
    informed: NDArray[np.bool_]
    season: Floats

    @property
    def base_demand(self) -> Floats:
        """Return expected units in the last week, at the reference price, of a week with sales: a lognormal's mean."""
        return np.asarray(np.exp(self.log_demand + (self.log_demand_sd**2 + self.residual_sd**2) / 2))

    @property
    def line(self) -> DemandLine:
        """Return what it predicts, for `optimizer.engine.validation`."""
        return DemandLine(elasticity=self.elasticity_mean, level=self.log_demand, reference=self.reference_log_price)


def fit_weekly_demand(
    panel: DemandPanel, *, parents: tuple[Ints, ...] = (), config: HierarchyConfig | None = None
) -> WeeklyDemandFit:
    """Fit weekly sales with price, the season that all SKUs share, a trend of each SKU, and what else is known.

    Promotions, holidays and competitors' prices are features where the panel has them and they vary; weeks that sold
    out are censored. What is predicted is a week without promotion and holiday, at competitors' latest prices.

    Args:
        panel: weekly sales in long form.
        parents: (sku,) categories, then their departments; empty: one population.
        config: beliefs; None for the usual ones.

    Raises:
        ValueError: the panel has no rows, or the likelihood is one of counts.
    """
    if len(panel) == 0:
        raise ValueError("the panel has no rows; give at least one week of sales")
    settings = config or HierarchyConfig()
    if settings.likelihood != "lognormal":
        raise ValueError(
            f"likelihood: got {settings.likelihood!r}; give 'lognormal': weeks without sales are not in the panel, and "
            "counts without their zeros would say too much; fit_hierarchy takes both"
        )
    panel = panel.sorted_by_sku()
    sku, week = panel.sku, panel.week
    weeks = np.bincount(sku, minlength=panel.n_skus)
    known, divisor = weeks > 0, np.maximum(weeks, 1)
    reference = np.bincount(sku, panel.log_price, minlength=panel.n_skus) / divisor
    price, units = panel.log_price - reference[sku], panel.log_units
    drivers = _drivers(panel)
    beliefs = settings.effects_of((*NAMES, *drivers))
    plain = units - beliefs.mean[1] * price
    for mean, values in zip(beliefs.mean[1 + len(NAMES) :], drivers.values(), strict=True):
        plain = plain - mean * values
    season = _season(plain, panel)
    last = int(week.max())
    columns = [price, season[week - week.min()], (week - last) / WEEKS_PER_YEAR, *drivers.values()]
    features = np.column_stack(columns)
    series = SeriesPanel(
        features=features,
        names=(*NAMES, *drivers),
        target=units,
        start=np.append(0, np.cumsum(weeks)),
        parents=parents,
        censored=panel.stocked_out,
    )
    fit = fit_hierarchy(series, settings)
    left = units - fit.mean[sku, 0] - (features * fit.mean[sku, 1:]).sum(1)
    mean_units = np.bincount(sku, units, minlength=panel.n_skus) / divisor
    total = np.bincount(sku, (units - mean_units[sku]) ** 2, minlength=panel.n_skus)
    price_sd = np.sqrt(np.bincount(sku, price**2, minlength=panel.n_skus) / divisor)
    return WeeklyDemandFit(
        fit=fit,
        elasticity_mean=fit.mean[:, 1],
        elasticity_sd=fit.sd[:, 1],
        reference_log_price=np.where(known, reference, np.nan),
        log_demand=np.where(known, fit.mean[:, 0], np.nan),
        log_demand_sd=np.where(known, fit.sd[:, 0], np.nan),
        weeks=weeks,
        log_price_sd=price_sd,
        residual_sd=fit.noise_sd,
        r2=np.where(total > 0, 1 - np.bincount(sku, left**2, minlength=panel.n_skus) / np.maximum(total, 1e-300), 0.0),
        shrinkage=1 - np.minimum(fit.sd[:, 1] ** 2 / _prior_variance(fit, parents), 1.0),
        informed=(weeks >= LEAST_WEEKS) & (price_sd >= LEAST_LOG_PRICE_SD),
        season=season,
    )


def _drivers(panel: DemandPanel) -> dict[str, Floats]:
    """Return what else the rows know that varies, by name, (row,): 0 in the week that is predicted.

    Sorted by SKU and week.
    """
    found = {"promotion": panel.promotion, "holiday": panel.holiday}
    if panel.competitor_log_price is not None:
        found["competitor_log_price"] = _since_latest(panel, panel.competitor_log_price)
    return {name: values for name, values in found.items() if values is not None and np.ptp(values) > 0}


def _since_latest(panel: DemandPanel, rival: Floats) -> Floats:
    """Return ln prices less each SKU's last known one, (row,); where none is known, what goes with our own price.

    Rivals move with us: a mean in place of what is not known would have our price credited with their work. A SKU
    without any offer counts as one whose rivals nobody looked at, so that elasticities mean the same for all SKUs.
    """
    known = np.isfinite(rival)
    sku, n_skus = panel.sku[known], panel.n_skus
    count, weeks = (np.bincount(each, minlength=n_skus) for each in (sku, panel.sku))
    latest, divisor = np.zeros(n_skus), np.maximum(count, 1)
    latest[sku] = rival[known]  # rows are sorted by week: the last assignment stays
    apart = rival[known] - latest[sku]
    usual, own = (np.bincount(sku, each, n_skus) / divisor for each in (apart, panel.log_price[known]))
    own = np.where(count > 0, own, np.bincount(panel.sku, panel.log_price, n_skus) / np.maximum(weeks, 1))
    beside = panel.log_price - own[panel.sku]
    follows = float(beside[known] @ (apart - usual[sku])) / max(float(beside[known] @ beside[known]), 1e-12)
    filled = usual[panel.sku] + follows * beside
    filled[known] = apart
    return np.asarray(filled)


def _season(plain: Floats, panel: DemandPanel) -> Floats:
    """Return what all SKUs share of ln units in each week of the panel, less that of the last usual week, (week,).

    A holiday that lifts all SKUs is in here: the week that is predicted must be one without. What a week that sold out
    would have brought is not known.
    """
    first = panel.week.min()
    told = np.ones(len(panel), dtype=bool) if panel.stocked_out is None else ~panel.stocked_out
    told = told if told.any() else np.ones(len(panel), dtype=bool)
    units, sku, week = (torch.from_numpy(each[told]) for each in (plain, panel.sku, panel.week - first))
    effects = np.asarray(week_effects(units, sku, week, panel.n_skus, int(panel.week.max() - first) + 1).numpy())
    usual = told if panel.holiday is None else told & (panel.holiday == 0)
    return np.asarray(effects - effects[panel.week[usual if usual.any() else told].max() - first])


def _prior_variance(fit: HierarchicalFit, parents: tuple[Ints, ...]) -> Floats:
    """Return what would be known of each SKU's elasticity without its own sales, (sku,) or (1,)."""
    above = fit.groups[0].sd[parents[0], 1] if parents else fit.shop.sd[:, 1]
    return np.asarray(fit.spread[0, 1] ** 2 + above**2)
