"""Learn every SKU's price elasticity at once."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from .demand_panel import LEAST_LOG_PRICE_SD, LEAST_WEEKS, WEEKS_PER_YEAR, DemandPanel
from .devices import resolve_device
from .elasticity_results import (
    INTERCEPT,
    NO_SALES,
    NO_VARIATION,
    PRICE,
    TOO_FEW_WEEKS,
    ElasticityFit,
)
from .groups import group_mean, group_sum
from .noise import pooled_noise_prior
from .season import week_effects

N_COEFFICIENTS: Final = 4

LEAST_VARIANCE: Final = 1e-8
"""Keeps the fit defined on sales without any noise: a standard deviation of 0.01 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticityConfig:
    """Hold the priors of a fit; all normal, given as mean and standard deviation.

    Args:
        elasticity_mean, elasticity_sd: own-price elasticity, signed.
        season_mean, season_sd: how much of the shop-wide season a SKU shares; 1 for all of it.
        trend_sd: growth of log demand in a year, beyond the shop's; mean 0.
        intercept_sd: log demand around the SKU's mean; wide.
        least_log_price_sd: below it the prices say nothing about the elasticity.
        least_weeks: below it the weeks say nothing about the elasticity.
        noise_iterations: steps of the fixed point between coefficients and noise.
        weeks_per_year: weeks in a unit of trend.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps` (float64 is needed: MPS falls back to the processor).
    """

    elasticity_mean: float = -1.5
    elasticity_sd: float = 0.5
    season_mean: float = 1.0
    season_sd: float = 0.5
    trend_sd: float = 0.5
    intercept_sd: float = 5.0
    least_log_price_sd: float = LEAST_LOG_PRICE_SD
    least_weeks: int = LEAST_WEEKS
    noise_iterations: int = 5
    weeks_per_year: float = WEEKS_PER_YEAR
    device: str = "auto"

    @property
    def prior_mean(self) -> list[float]:
        """Return the prior means of (intercept around the SKU's mean, elasticity, season, trend)."""
        return [0.0, self.elasticity_mean, self.season_mean, 0.0]

    @property
    def prior_sd(self) -> list[float]:
        """Return the prior standard deviations of the same."""
        return [self.intercept_sd, self.elasticity_sd, self.season_sd, self.trend_sd]


@dataclass(frozen=True, slots=True)
class _Moments:
    """Hold sufficient statistics of each SKU: XᵀX (sku, 4, 4), Xᵀy (sku, 4), yᵀy (sku,), rows (sku,); y is centred."""

    gram: Tensor
    cross: Tensor
    square: Tensor
    count: Tensor


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Hold coefficients (sku, 4), covariance (sku, 4, 4), and the residual sum of squares at the mean (sku,)."""

    mean: Tensor
    covariance: Tensor
    residual: Tensor

    def spread(self, moments: _Moments) -> Tensor:
        """Return tr(XᵀX·Σ), (sku,): what the uncertain coefficients add to the residual sum of squares."""
        return (moments.gram * self.covariance).sum((1, 2))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Hold the panel on the device, and what was derived from it."""

    sku: Tensor
    columns: tuple[Tensor, ...]
    target: Tensor
    mean_log_units: Tensor
    reference: Tensor
    log_price_sd: Tensor
    count: Tensor
    informed: Tensor
    season: Tensor
    first_week: int
    trend_origin: float


def fit_elasticities(panel: DemandPanel, config: ElasticityConfig | None = None) -> ElasticityFit:
    """Fit the demand of all SKUs together, each shrunk to a common prior.

    ln units = a + e·(ln p − r) + γ·season_week + δ·trend + noise, per SKU, with e ~ N(−1.5, 0.5²), γ ~ N(1, 0.5²),
    δ ~ N(0, 0.5²), a wide prior for a around the SKU's mean, noise variance with a pooled inverse-gamma prior. Given
    the noise, the posterior is normal in closed form; coefficients and noise are iterated to a fixed point. r is the
    SKU's mean log price.

    Use it once a night over the weekly sales. Season is the week effect that all SKUs share; with less than two years
    of data a yearly Fourier cycle is not identified beside a trend.

    Args:
        panel: weekly sales in long form.
        config: priors; None for the defaults.

    Returns:
        Posterior of every SKU. Where the price never varied, or weeks are few, e keeps its prior exactly and a note
        says so.

    Raises:
        ValueError: the panel has no rows, or the device is not there; the message says what to give.

    Source: Gelman et al. (2013), ch. 14 (regression with known prior variances) and 15 (hierarchical linear models);
    Smyth (2004), section 6 (pooled noise).
    """
    settings = config or ElasticityConfig()
    if len(panel) == 0:
        raise ValueError("the panel has no rows; give at least one week of sales")
    prepared = _prepare(panel, settings, resolve_device(settings.device).final)
    moments = _moments(prepared, panel.n_skus)
    posterior, variance, noise_prior = _posterior_and_noise(moments, settings)
    return _result(prepared, moments, posterior, variance, noise_prior, settings)


def _prepare(panel: DemandPanel, config: ElasticityConfig, device: torch.device) -> _Prepared:
    sku, week = torch.tensor(panel.sku, device=device), torch.tensor(panel.week, device=device)
    log_price, log_units = torch.tensor(panel.log_price, device=device), torch.tensor(panel.log_units, device=device)
    first_week, last_week = int(week.min()), int(week.max())
    count = torch.bincount(sku, minlength=panel.n_skus)
    reference = group_mean(log_price, sku, panel.n_skus)
    price = log_price - reference[sku]
    log_price_sd = torch.sqrt(group_mean(price.square(), sku, panel.n_skus))
    informed = (count >= config.least_weeks) & (log_price_sd >= config.least_log_price_sd)
    # A week in which many prices fall must not pass for season: take out what the prior elasticity explains first.
    plain = log_units - config.elasticity_mean * price
    n_weeks = last_week - first_week + 1
    season = week_effects(plain, sku, week - first_week, panel.n_skus, n_weeks)
    trend_origin = (first_week + last_week) / 2
    mean_log_units = group_mean(log_units, sku, panel.n_skus)
    columns = (
        torch.ones_like(price),
        price * informed[sku],
        season[week - first_week],
        (week.double() - trend_origin) / config.weeks_per_year,
    )
    target = log_units - mean_log_units[sku]
    return _Prepared(
        sku,
        columns,
        target,
        mean_log_units,
        reference,
        log_price_sd,
        count,
        informed,
        season,
        first_week,
        trend_origin,
    )


def _moments(prepared: _Prepared, n_skus: int) -> _Moments:
    """Sum products of columns over each SKU's rows, one product at a time: no (row, 4, 4) array is ever built."""
    columns, sku = prepared.columns, prepared.sku
    gram = prepared.target.new_zeros((n_skus, N_COEFFICIENTS, N_COEFFICIENTS))
    cross = prepared.target.new_zeros((n_skus, N_COEFFICIENTS))
    for i in range(N_COEFFICIENTS):
        cross[:, i] = group_sum(columns[i] * prepared.target, sku, n_skus)
        for j in range(i + 1):
            gram[:, i, j] = gram[:, j, i] = group_sum(columns[i] * columns[j], sku, n_skus)
    return _Moments(gram, cross, group_sum(prepared.target.square(), sku, n_skus), prepared.count.double())


def _posterior(moments: _Moments, variance: Tensor, config: ElasticityConfig) -> _Posterior:
    """Return the conjugate normal posterior given the (sku,) noise variance."""
    prior_mean = moments.cross.new_tensor(config.prior_mean)
    prior_precision = moments.cross.new_tensor(config.prior_sd).pow(-2)
    precision = moments.gram / variance[:, None, None] + torch.diag(prior_precision)
    factor = torch.linalg.cholesky(precision)
    pull = moments.cross / variance[:, None] + prior_precision * prior_mean
    mean = torch.cholesky_solve(pull[:, :, None], factor)[:, :, 0]
    residual = moments.square - 2 * (mean * moments.cross).sum(1)
    residual = residual + torch.einsum("si,sij,sj->s", mean, moments.gram, mean)
    return _Posterior(mean, torch.cholesky_inverse(factor), torch.clamp(residual, min=0))


def _posterior_and_noise(moments: _Moments, config: ElasticityConfig) -> tuple[_Posterior, Tensor, tuple[float, float]]:
    """Iterate between the coefficients and the noise variance of each SKU."""
    freedom_of_rows = torch.clamp(moments.count.sum() - (moments.count > 0).sum(), min=1)
    common = torch.clamp(moments.square.sum() / freedom_of_rows, min=LEAST_VARIANCE)
    variance = common.expand(len(moments.count)).clone()
    posterior = _posterior(moments, variance, config)
    freedom = moments.count - posterior.spread(moments) / variance
    own = posterior.residual / torch.clamp(freedom, min=1e-9)
    prior_freedom, prior_variance = pooled_noise_prior(own, freedom)
    for _ in range(config.noise_iterations):
        expected = posterior.residual + posterior.spread(moments)
        variance = (prior_freedom * prior_variance + expected) / (prior_freedom + moments.count)
        variance = torch.clamp(variance, min=LEAST_VARIANCE)
        posterior = _posterior(moments, variance, config)
    return posterior, variance, (prior_freedom, prior_variance)


def _result(
    prepared: _Prepared,
    moments: _Moments,
    posterior: _Posterior,
    variance: Tensor,
    noise_prior: tuple[float, float],
    config: ElasticityConfig,
) -> ElasticityFit:
    has_sales, informed = prepared.count > 0, prepared.informed
    coefficients, covariance = posterior.mean.clone(), posterior.covariance.clone()
    coefficients[:, INTERCEPT] += prepared.mean_log_units
    coefficients[:, PRICE] = torch.where(informed, coefficients[:, PRICE], config.elasticity_mean)
    covariance[:, PRICE, PRICE] = torch.where(informed, covariance[:, PRICE, PRICE], config.elasticity_sd**2)
    elasticity_sd = torch.where(informed, torch.sqrt(covariance[:, PRICE, PRICE]), config.elasticity_sd)
    level, level_variance = coefficients[:, INTERCEPT], covariance[:, INTERCEPT, INTERCEPT]
    explained = 1 - posterior.residual / torch.where(moments.square > 0, moments.square, 1.0)
    note = torch.where(informed, 0, NO_VARIATION)
    note = torch.where(prepared.count < config.least_weeks, TOO_FEW_WEEKS, note)
    note = torch.where(has_sales, note, NO_SALES)

    def known(values: Tensor) -> Tensor:
        return torch.where(has_sales, values, torch.nan)

    return ElasticityFit(
        elasticity_mean=coefficients[:, PRICE].cpu().numpy(),
        elasticity_sd=elasticity_sd.cpu().numpy(),
        reference_log_price=known(prepared.reference).cpu().numpy(),
        base_demand=known(torch.exp(level + (level_variance + variance) / 2)).cpu().numpy(),
        log_demand_sd=known(torch.sqrt(level_variance)).cpu().numpy(),
        residual_sd=torch.sqrt(variance).cpu().numpy(),
        n_weeks=prepared.count.cpu().numpy(),
        log_price_sd=prepared.log_price_sd.cpu().numpy(),
        r2=torch.where(moments.square > 0, explained, 0.0).cpu().numpy(),
        shrinkage=(1 - (elasticity_sd / config.elasticity_sd).square()).cpu().numpy(),
        informed=informed.cpu().numpy(),
        note_code=note.to(torch.int8).cpu().numpy(),
        coefficients=coefficients.cpu().numpy(),
        covariance=covariance.cpu().numpy(),
        season=prepared.season.cpu().numpy(),
        first_week=prepared.first_week,
        trend_origin=prepared.trend_origin,
        weeks_per_year=config.weeks_per_year,
        noise_prior=noise_prior,
    )
