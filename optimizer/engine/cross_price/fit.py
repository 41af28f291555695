"""Which products take sales from each other, and how many."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from ..hierarchy import USUAL_EFFECTS
from ..pricing_arrays import Floats
from .config import CrossPriceConfig
from .panel import CategoryPanel
from .two_groups import PairEstimates, two_groups

MOST_PRODUCTS: Final = 80
WIDE: Final = 1.0
"""Standard deviation of pairs' effects while they are estimated; what it does to them is taken out again."""

NOISE_ROUNDS: Final = 6
LEAST_VARIANCE: Final = 1e-6
LEVEL_VARIANCE: Final = 100.0
SEASON: Final = USUAL_EFFECTS["season"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossPriceFit:
    """Hold a category's elasticities.

    Args:
        elasticity, sd: (product, product) float64: of the row's demand in the column's price; own ones on the diagonal.
        substitutes: (product, product) the probability that two are substitutes; 0 on the diagonal.
        share: (product,) of the category's revenue.
        noise_sd: (product,) of ln units of a week.
    """

    elasticity: Floats
    sd: Floats
    substitutes: Floats
    share: Floats
    noise_sd: Floats


def fit_cross_prices(panel: CategoryPanel, config: CrossPriceConfig | None = None) -> CrossPriceFit:
    """Learn the elasticities of a category's products in each other's prices.

    ln units_i = level_i + γ_i·season + Σ_j e_ij·x_j + noise_i, x the ln price around its mean. Between products
    e_ij = c_ij·√(s_j/s_i) with revenue shares s and c symmetric: that is Slutsky's symmetry where income effects are
    small. All are estimated together; each c is then taken to be either next to nothing or one of a common effect, and
    which one, and how many, is learned from all pairs.

    Use it for the joint prices of a category (`joint_prices`), and to find substitutes.

    Args:
        panel: the category's weeks, at most 80 products: the joint posterior of all pairs is exact and dense.
        config: beliefs; None for the usual ones.

    Raises:
        ValueError: too many products; cut the category.

    Source: Deaton & Muellbauer (1980), section 2.3 (symmetry); Efron (2008), "Microarrays, empirical Bayes and the
    two-groups model".
    """
    settings = config or CrossPriceConfig()
    if panel.products > MOST_PRODUCTS:
        raise ValueError(f"{panel.products} products; give at most {MOST_PRODUCTS}: cut the category")
    with threadpool_limits(2, "blas"):
        return _Category(panel, settings).fit()


class _Category:
    """The normal equations of one category; parameters are levels, seasons, own elasticities, then pairs."""

    def __init__(self, panel: CategoryPanel, config: CrossPriceConfig) -> None:
        self.panel, self.config, self.products = panel, config, panel.products
        self.first, self.second = np.triu_indices(self.products, 1)
        self.share = _revenue_share(panel)
        self.price = panel.log_price - panel.log_price.mean(0)
        season = np.zeros(len(self.price)) if panel.season is None else panel.season
        self.season = season - season.mean()
        self.known = np.isfinite(panel.log_units)
        self.units = np.where(self.known, panel.log_units, 0.0)
        self.pairs = np.arange(len(self.first)) + 3 * self.products
        self.designs = [self._design(product) for product in range(self.products)]
        self.columns = [self._columns(product) for product in range(self.products)]

    def fit(self) -> CrossPriceFit:
        noise = np.array([self.units[rows, i].var() for i, rows in enumerate(self.known.T)]).clip(LEAST_VARIANCE)
        for _ in range(NOISE_ROUNDS):
            mean, covariance = self._posterior(noise)
            noise = self._noise(mean, covariance)
        sd = np.sqrt(np.diag(covariance))
        pairs = two_groups(_without_prior(mean[self.pairs], sd[self.pairs] ** 2), self.config)
        mean[self.pairs], sd[self.pairs] = pairs.mean, pairs.sd
        return self._result(mean, sd, pairs.inclusion, noise)

    def _design(self, product: int) -> Floats:
        """Return the columns of one product's rows: level, season, own price, then every other product's."""
        rows = self.known[:, product]
        scale = np.sqrt(self.share / self.share[product])
        others = np.delete(self.price[rows] * scale, product, axis=1)
        return np.column_stack([np.ones(rows.sum()), self.season[rows], self.price[rows, product], others])

    def _columns(self, product: int) -> np.ndarray:
        """Return which parameters the columns of its design belong to."""
        others = np.delete(np.arange(self.products), product)
        place = np.zeros((self.products, self.products), dtype=np.int64)
        place[self.first, self.second] = place[self.second, self.first] = self.pairs
        return np.concatenate([[product, self.products + product, 2 * self.products + product], place[product, others]])

    def _posterior(self, noise: Floats) -> tuple[Floats, Floats]:
        size, own = self.products, self.config.own
        level = self.units.sum(0) / self.known.sum(0)
        prior_mean = np.concatenate(
            [level, np.full(size, SEASON.mean), np.full(size, own.mean), np.zeros(len(self.pairs))]
        )
        variances = np.concatenate(
            [
                np.repeat([LEVEL_VARIANCE, SEASON.sd**2 + SEASON.spread**2, own.sd**2 + own.spread**2], size),
                np.full(len(self.pairs), WIDE**2),
            ]
        )
        precision, pull = np.diag(1 / variances), prior_mean / variances
        for product, (design, columns) in enumerate(zip(self.designs, self.columns, strict=True)):
            rows = self.known[:, product]
            precision[np.ix_(columns, columns)] += design.T @ design / noise[product]
            pull[columns] += design.T @ self.units[rows, product] / noise[product]
        factor = cho_factor(precision, lower=True)
        covariance = cho_solve(factor, np.eye(len(precision)))
        return covariance @ pull, covariance

    def _noise(self, mean: Floats, covariance: Floats) -> Floats:
        """Return each product's noise variance: residuals, and what the uncertain coefficients add to them."""
        found = np.empty(self.products)
        for product, (design, columns) in enumerate(zip(self.designs, self.columns, strict=True)):
            left = self.units[self.known[:, product], product] - design @ mean[columns]
            added = np.einsum("ti,ij,tj->", design, covariance[np.ix_(columns, columns)], design)
            found[product] = (left @ left + added) / len(left)
        return found.clip(LEAST_VARIANCE)

    def _result(self, mean: Floats, sd: Floats, inclusion: Floats, noise: Floats) -> CrossPriceFit:
        size, scale = self.products, np.sqrt(self.share / self.share[:, None])
        elasticity, spread, substitutes = (np.zeros((size, size)) for _ in range(3))
        for table, own, pairs in ((elasticity, mean, mean), (spread, sd, sd)):
            table[self.first, self.second] = table[self.second, self.first] = pairs[self.pairs]
            table *= scale
            table[np.diag_indices(size)] = own[2 * size : 3 * size]
        substitutes[self.first, self.second] = substitutes[self.second, self.first] = inclusion
        return CrossPriceFit(
            elasticity=elasticity, sd=spread, substitutes=substitutes, share=self.share, noise_sd=np.sqrt(noise)
        )


def _revenue_share(panel: CategoryPanel) -> Floats:
    revenue = np.nansum(np.exp(panel.log_price + panel.log_units), axis=0)
    return np.asarray(revenue / revenue.sum())


def _without_prior(mean: Floats, variance: Floats) -> PairEstimates:
    """Return what the data alone say of each pair, the wide prior taken out of its posterior."""
    alone = 1 / np.maximum(1 / variance - 1 / WIDE**2, 1e-9)
    return PairEstimates(estimate=alone * mean / variance, variance=alone)
