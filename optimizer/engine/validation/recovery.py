"""Whether a method finds the elasticities of sales that were simulated, where they are known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from catalog.guardrails import Ints

from ..demand_panel import DemandPanel
from ..pricing_arrays import Floats
from .price_changes import TooLittleToTry

PROBABILITIES: Final = (0.5, 0.8, 0.9, 0.95)
LEAST_SKUS: Final = 12
"""Fewer say nothing about shares, least of all by thirds."""

ELASTICITY: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandBelief:
    """Hold what was learned of demand: ln units = a + e·(ln p − r) + γ·season_week + δ·trend + noise.

    Args:
        mean, sd: (sku, 4) float64, of (a, e, γ, δ), normal.
        reference: (sku,) float64 r; NaN for SKUs without sales.
        season: (week,) float64, from ``first_week`` on.
        first_week: week of the first season.
        trend_origin, weeks_per_year: the trend is (week − origin)/weeks_per_year.
        noise_sd: (sku,) float64, of a week.
    """

    mean: Floats
    sd: Floats
    reference: Floats
    season: Floats
    first_week: int
    trend_origin: float
    weeks_per_year: float
    noise_sd: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticityPosterior:
    """Hold posterior means and standard deviations of elasticities, (sku,) float64 each."""

    mean: Floats
    sd: Floats


Learner = Callable[[DemandPanel, Ints], ElasticityPosterior]
"""Learns a panel; beside it stands which SKUs of the whole panel are in it, (sku,), for their categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Hold how near estimates came to the truth.

    Args:
        skus: what it rests on.
        log_price_sd: median standard deviation of a SKU's log prices.
        coverage: by probability, the share of central intervals that held the truth.
        bias: mean of estimate − truth.
        rmse: root of the mean square of the same.
        correlation: of estimates and truth; 0 where all estimates are the same.
        shrinkage: 1 − slope of estimates on truth: 0 where they follow it, 1 where they stay what they were before.
    """

    skus: int
    log_price_sd: float
    coverage: dict[float, float]
    bias: float
    rmse: float
    correlation: float
    shrinkage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Hold what was found of all SKUs, of the thirds with little, some and much price variation, and some to plot.

    Args:
        whole: all SKUs that were simulated.
        thirds: of own price variation, the least first.
        points: (point, 3) float64: true and estimated elasticity, and the estimate's sd.
    """

    whole: Recovered
    thirds: tuple[Recovered, Recovered, Recovered]
    points: Floats


def recover(
    belief: DemandBelief, panel: DemandPanel, learn: Learner, *, skus: int = 2_000, points: int = 300, seed: int = 0
) -> Recovery:
    """Simulate sales at the prices that were real, learn them again, and compare with the truth.

    The truth of each SKU is drawn from what was learned of it, so SKUs lie apart as the model says. Use it to see
    whether a method's intervals hold if the world is as it believes. Whether it is so, weeks that it has not seen
    tell: `calibration`, `backtest`.

    Args:
        belief: what was learned.
        panel: what it was learned from: SKUs, weeks and prices are kept, units are not read.
        learn: the method.
        skus: drawn at random from those with sales; all where there are fewer.
        points: of the SKUs to plot, at most.
        seed: of all draws.

    Raises:
        TooLittleToTry: fewer than twelve SKUs have sales.

    Source: Talts et al. (2018), "Validating Bayesian inference algorithms with simulation-based calibration"; here the
    draws are from what was learned in the place of the prior.
    """
    rng = np.random.default_rng(seed)
    sold = np.unique(panel.sku)
    if len(sold) < LEAST_SKUS:
        raise TooLittleToTry(f"{len(sold)} SKUs have sales: give {LEAST_SKUS} or more")
    chosen = sold if len(sold) <= skus else np.sort(rng.choice(sold, skus, replace=False))
    simulated, truth = _simulated(belief, panel.of(chosen), chosen, rng)
    found, price_sd = learn(simulated, chosen), _log_price_sd(simulated)
    thirds = [_recovered(found, truth, price_sd, part) for part in np.array_split(np.argsort(price_sd), 3)]
    shown = rng.permutation(len(chosen))[:points]
    return Recovery(
        whole=_recovered(found, truth, price_sd, np.arange(len(chosen))),
        thirds=(thirds[0], thirds[1], thirds[2]),
        points=np.stack([truth, found.mean, found.sd], axis=1)[shown],
    )


def _simulated(
    belief: DemandBelief, panel: DemandPanel, chosen: Ints, rng: np.random.Generator
) -> tuple[DemandPanel, Floats]:
    """Return the panel with units that were drawn, and each SKU's true elasticity."""
    truth = rng.normal(belief.mean[chosen], belief.sd[chosen])
    drivers = np.stack(
        [
            np.ones(len(panel)),
            panel.log_price - belief.reference[chosen][panel.sku],
            belief.season[panel.week - belief.first_week],
            (panel.week - belief.trend_origin) / belief.weeks_per_year,
        ],
        axis=1,
    )
    expected = (drivers * truth[panel.sku]).sum(1)
    simulated = DemandPanel(
        sku=panel.sku,
        week=panel.week,
        log_price=panel.log_price,
        log_units=rng.normal(expected, belief.noise_sd[chosen][panel.sku]),
        n_skus=panel.n_skus,
    )
    return simulated, truth[:, ELASTICITY]


def _log_price_sd(panel: DemandPanel) -> Floats:
    count = np.maximum(np.bincount(panel.sku, minlength=panel.n_skus), 1)
    mean = np.bincount(panel.sku, panel.log_price, panel.n_skus) / count
    square = np.bincount(panel.sku, (panel.log_price - mean[panel.sku]) ** 2, panel.n_skus) / count
    return np.asarray(np.sqrt(square))


def _recovered(found: ElasticityPosterior, truth: Floats, price_sd: Floats, part: Ints) -> Recovered:
    true, estimated = truth[part], found.mean[part]
    error = estimated - true
    standard = np.abs(error) / found.sd[part]
    spread, spread_of_estimates = true.std(), estimated.std()
    together = ((true - true.mean()) * (estimated - estimated.mean())).mean()
    return Recovered(
        skus=len(part),
        log_price_sd=float(np.median(price_sd[part])),
        coverage={share: float((standard <= stats.norm.ppf(0.5 + share / 2)).mean()) for share in PROBABILITIES},
        bias=float(error.mean()),
        rmse=float(np.sqrt((error**2).mean())),
        correlation=float(together / (spread * spread_of_estimates)) if spread_of_estimates > 1e-12 else 0.0,
        shrinkage=float(1 - together / spread**2),
    )
