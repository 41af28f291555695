"""The ways in which a channel's demand can be learned, with what a run needs of each."""

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints
from optimizer.engine import DemandPanel, ElasticityConfig, fit_elasticities
from optimizer.engine.demand_panel import WEEKS_PER_YEAR
from optimizer.engine.elasticity_results import INTERCEPT, SEASON, TREND
from optimizer.engine.hierarchy import Effect, HierarchyConfig, WeeklyDemandFit, fit_weekly_demand
from optimizer.engine.pricing_arrays import Floats
from optimizer.engine.threads import one_thread
from optimizer.engine.validation import DemandBelief, DemandLine
from optimizer.models import ElasticityFit

Method = ElasticityFit.Method
VERSIONS: Final = {Method.INDEPENDENT: 1, Method.HIERARCHICAL: 3}
"""Raise a method's when the same sales come to other estimates."""

DRIVERS: Final = ("promotion", "competitor_log_price")
"""Not holidays: what they bring to all SKUs is in the season."""

OWN_SALES_SAY_NOTHING: Final = "its own sales say nothing: its category's elasticity"
LEAST_ROWS_FOR_THREADS: Final = 1_000_000
Config = ElasticityConfig | HierarchyConfig


@dataclass(frozen=True, kw_only=True)
class LearnedDemand:
    """Hold what was learned of each SKU, (sku,) each; demand is that of the last usual week, of a week with sales.

    ``line`` predicts its ln units, ``belief`` is what sales can be simulated from; ``diagnostics`` are
    numbers about the whole fit.
    """

    elasticity_mean: Floats
    elasticity_sd: Floats
    reference_log_price: Floats
    base_demand: Floats
    log_demand_sd: Floats
    weeks: Ints
    log_price_sd: Floats
    residual_sd: Floats
    r2: Floats
    shrinkage: Floats
    informed: NDArray[np.bool_]
    notes: list[str]
    line: DemandLine
    belief: DemandBelief
    diagnostics: dict[str, float]


def default_config(method: str, device: str) -> Config:
    """Return the usual configuration of a method."""
    return HierarchyConfig() if method == Method.HIERARCHICAL else ElasticityConfig(device=device)


def config_as_dict(method: str, config: Config) -> dict[str, Any]:
    """Return what a fit's results depend on, JSON-able."""
    return {name: value for name, value in asdict(config).items() if name != "device"} | {
        "version": VERSIONS[Method(method)]
    }


def config_from_dict(method: str, stored: dict[str, Any], device: str) -> Config:
    """Return the configuration that a fit was made with."""
    known = {name: value for name, value in stored.items() if name != "version"}
    if method != Method.HIERARCHICAL:
        return ElasticityConfig(**known, device=device)
    effects = {name: Effect(**effect) for name, effect in known.pop("effects").items()}
    return HierarchyConfig(**known | {"effects": effects, "other": Effect(**known["other"])})


def learn_demand(panel: DemandPanel, category: Ints, config: Config) -> LearnedDemand:
    """Fit a panel with the method that the configuration is of."""
    with one_thread() if len(panel) < LEAST_ROWS_FOR_THREADS else nullcontext():
        if isinstance(config, HierarchyConfig):
            return _hierarchical(panel, category, config)
        return _independent(panel, config)


def _independent(panel: DemandPanel, config: ElasticityConfig) -> LearnedDemand:
    found, last = fit_elasticities(panel, config), int(panel.week.max())
    demand, log_demand_sd = found.demand_at(found.reference_log_price, week=last)
    level = found.coefficients[:, INTERCEPT] + found.coefficients[:, SEASON] * found.season[-1]
    level = level + found.coefficients[:, TREND] * (last - found.trend_origin) / found.weeks_per_year
    return LearnedDemand(
        elasticity_mean=found.elasticity_mean,
        elasticity_sd=found.elasticity_sd,
        reference_log_price=found.reference_log_price,
        base_demand=demand,
        log_demand_sd=log_demand_sd,
        weeks=found.n_weeks,
        log_price_sd=found.log_price_sd,
        residual_sd=found.residual_sd,
        r2=found.r2,
        shrinkage=found.shrinkage,
        informed=found.informed,
        notes=found.notes().tolist(),
        line=DemandLine(elasticity=found.elasticity_mean, level=level, reference=found.reference_log_price),
        belief=DemandBelief(
            mean=found.coefficients,
            sd=np.sqrt(np.einsum("sii->si", found.covariance)),
            reference=found.reference_log_price,
            season=found.season,
            first_week=found.first_week,
            trend_origin=found.trend_origin,
            weeks_per_year=found.weeks_per_year,
            noise_sd=found.residual_sd,
        ),
        diagnostics=_summary(found.elasticity_mean, found.elasticity_sd, found.r2, found.informed)
        | {"noise_freedom": found.noise_prior[0], "noise_variance": found.noise_prior[1]},
    )


def _hierarchical(panel: DemandPanel, category: Ints, config: HierarchyConfig) -> LearnedDemand:
    found = fit_weekly_demand(panel, parents=(category,), config=config)
    return LearnedDemand(
        elasticity_mean=found.elasticity_mean,
        elasticity_sd=found.elasticity_sd,
        reference_log_price=found.reference_log_price,
        base_demand=found.base_demand,
        log_demand_sd=found.log_demand_sd,
        weeks=found.weeks,
        log_price_sd=found.log_price_sd,
        residual_sd=found.residual_sd,
        r2=found.r2,
        shrinkage=found.shrinkage,
        informed=found.informed,
        notes=np.where(found.informed, "", OWN_SALES_SAY_NOTHING).tolist(),
        line=found.line,
        belief=DemandBelief(
            # Level, price, season and trend; what else moved demand comes after them and is not simulated.
            mean=found.fit.mean[:, :4],
            sd=found.fit.sd[:, :4],
            reference=found.reference_log_price,
            season=found.season,
            first_week=int(panel.week.min()),
            trend_origin=float(panel.week.max()),
            weeks_per_year=WEEKS_PER_YEAR,
            noise_sd=found.residual_sd,
        ),
        diagnostics=_summary(found.elasticity_mean, found.elasticity_sd, found.r2, found.informed)
        | {
            "shop_elasticity": float(found.fit.shop.mean[0, 1]),
            "shop_elasticity_sd": float(found.fit.shop.sd[0, 1]),
            "spread_of_skus": float(found.fit.spread[0, 1]),
            "spread_of_categories": float(found.fit.spread[1, 1]),
        }
        | _of_drivers(found),
    )


def _of_drivers(found: WeeklyDemandFit) -> dict[str, float]:
    """Return what the shop's demand does with whatever else the sales say moved it, by name."""
    of_shop = dict(zip(found.fit.names, found.fit.shop.mean[0].tolist(), strict=True))
    return {f"shop_{name}": of_shop[name] for name in DRIVERS if name in of_shop}


def _summary(mean: Floats, sd: Floats, r2: Floats, informed: NDArray[np.bool_]) -> dict[str, float]:
    # Where no SKU is informed, the prior speaks for all of them.
    told = informed if informed.any() else np.ones(len(mean), dtype=bool)
    return {
        "listings": len(mean),
        "informed": int(informed.sum()),
        "mean_elasticity": float(mean[told].mean()),
        "median_sd": float(np.median(sd[told])),
        "median_r2": float(np.median(r2[told])),
    }
