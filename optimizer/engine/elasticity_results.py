"""What a fit of elasticities found."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

from .pricing_arrays import Floats

INTERCEPT, PRICE, SEASON, TREND = range(4)
"""Columns of the coefficients."""

FIT_NOTES: Final = ("", "no sales: prior kept", "too few weeks: prior kept", "no price variation: prior kept")
"""Why an elasticity is its prior, by the code in `ElasticityFit.note_code`; code 0: the sales say something."""

NO_SALES, TOO_FEW_WEEKS, NO_VARIATION = range(1, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticityFit:
    """Hold the posterior of each SKU's demand: ln units = a + e·(ln p − r) + γ·season + δ·trend + noise.

    Args:
        elasticity_mean, elasticity_sd: (sku,) float64, posterior of e, signed.
        reference_log_price: (sku,) float64 r, mean log price of the SKU; NaN without sales.
        base_demand: (sku,) float64, expected units of a week with sales, at the reference price, with season and
            trend at zero; NaN without sales.
        log_demand_sd: (sku,) float64, posterior standard deviation of a; NaN without sales.
        residual_sd: (sku,) float64, standard deviation of the noise of a week.
        n_weeks: (sku,) int64, rows used.
        log_price_sd: (sku,) float64, standard deviation of the SKU's log prices.
        r2: (sku,) float64, share of the variance of log units that the fit explains; 0 where there is none.
        shrinkage: (sku,) float64, 1 − sd²/prior_sd²: 0 where the prior stands, near 1 where the sales decide.
        informed: (sku,) bool, whether the sales say something about e.
        note_code: (sku,) int8 index into `FIT_NOTES`.
        coefficients: (sku, 4) float64, posterior mean of (a, e, γ, δ).
        covariance: (sku, 4, 4) float64, their posterior covariance.
        season: (week,) float64, shop-wide log demand of each week, mean zero.
        first_week: index of the first week of `season`.
        trend_origin: week at which the trend is zero; the trend is (week − origin)/weeks_per_year.
        weeks_per_year: weeks in a unit of trend.
        noise_prior: (degrees of freedom, variance) of the pooled inverse-gamma prior of the noise.
    """

    elasticity_mean: Floats
    elasticity_sd: Floats
    reference_log_price: Floats
    base_demand: Floats
    log_demand_sd: Floats
    residual_sd: Floats
    n_weeks: Ints
    log_price_sd: Floats
    r2: Floats
    shrinkage: Floats
    informed: NDArray[np.bool_]
    note_code: NDArray[np.int8]
    coefficients: Floats
    covariance: Floats
    season: Floats
    first_week: int
    trend_origin: float
    weeks_per_year: float
    noise_prior: tuple[float, float]

    def __len__(self) -> int:
        return len(self.elasticity_mean)

    def notes(self) -> NDArray[np.object_]:
        """Return each SKU's note, (sku,) str, empty where the sales say something."""
        return np.array(FIT_NOTES, dtype=object)[self.note_code]

    def demand_at(self, log_price: Floats, *, week: int | None = None) -> tuple[Floats, Floats]:
        """Forecast weekly demand at other prices.

        E[units] = exp(xᵀβ + (xᵀΣx + σ²)/2), the mean of a lognormal variable.

        Use it to carry the base demand to the price in force before optimising.

        Args:
            log_price: (sku,) float64, ln of the price in the unit that was fitted.
            week: the week whose season and trend hold; None for an average week. After the last week of the fit its
                season is held.

        Returns:
            Expected units of a week with sales, and the posterior standard deviation of their log, (sku,) float64
            each; NaN for SKUs without sales.
        """
        season, trend = 0.0, 0.0
        if week is not None:
            season = float(self.season[min(max(week - self.first_week, 0), len(self.season) - 1)])
            trend = (week - self.trend_origin) / self.weeks_per_year
        point = np.ones_like(self.coefficients)
        point[:, PRICE] = log_price - self.reference_log_price
        point[:, SEASON], point[:, TREND] = season, trend
        variance = np.einsum("si,sij,sj->s", point, self.covariance, point)
        mean = np.einsum("si,si->s", point, self.coefficients)
        return np.exp(mean + (variance + self.residual_sd**2) / 2), np.sqrt(variance)
