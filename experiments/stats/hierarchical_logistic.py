"""Thompson sampling where demand falls with price along a logistic curve, its parameters shared between contexts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policy import BanditPolicy, Floats
from experiments.stats.thompson import winning_shares

BASE_MEAN: Final = np.array([-1.0, 1.5])
BASE_VARIANCE: Final = np.array([4.0, 1.0])
BASE_STRENGTH: Final = 3.0
"""The base counts as so many contexts when mean and variance are estimated."""
ROUNDS: Final = 6
NEWTON_STEPS: Final = 8


@dataclass(frozen=True, kw_only=True)
class HierarchicalLogistic(BanditPolicy):
    """Learn two numbers a context, with a prior estimated from all contexts.

        P(purchase at arm k) = 1 / (1 + exp(−a_c − exp(b_c)·x_k)),  (a_c, b_c) ~ Normal(μ, diag σ²)

    x falls from +1/2 at the lowest price to −1/2 at the highest, so that demand falls with price. The posterior of a
    context is approximated by a normal at its mode (Laplace), found by damped Fisher scoring; μ and σ² are
    re-estimated from modes and variances (EM).

    For few outcomes, where demand is thought to be logistic and to saturate at 1. Where shoppers buy at no price more
    than now and then (a conversion of a few per cent), it is the wrong curve: prefer `DemandCurveBank`.

    Source: Chapelle and Li (2011), An empirical evaluation of Thompson sampling, section 4; Gelman et al. (2013),
    Bayesian Data Analysis, sections 4.1, 5.4 and 13.6.
    """

    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        """Return mode (context, 2) and covariance (context, 2, 2) of (a, b)."""
        seen = counts.up_to(epoch)
        purchases, rejections = (each.sum(axis=0).astype(np.float64) for each in (seen.purchases, seen.rejections))
        mean, variance = BASE_MEAN, BASE_VARIANCE
        for _ in range(ROUNDS):
            mode, covariance = _laplace(purchases, rejections, mean, variance)
            share = BASE_STRENGTH / (BASE_STRENGTH + len(mode))
            mean = share * BASE_MEAN + (1 - share) * mode.mean(axis=0)
            spread = (mode - mean) ** 2 + np.diagonal(covariance, axis1=1, axis2=2)
            variance = share * BASE_VARIANCE + (1 - share) * spread.mean(axis=0)
        return _laplace(purchases, rejections, mean, variance)

    def propensities(self, counts: OutcomeCounts, worth: Floats, *, epoch: int, rng: np.random.Generator) -> Floats:
        mode, covariance = self.posterior(counts, epoch=epoch)
        root = np.linalg.cholesky(covariance)
        drawn = mode + np.einsum("cij,dcj->dci", root, rng.standard_normal((self.draws, *mode.shape)))
        rates = expit(drawn[..., :1] + np.exp(np.minimum(drawn[..., 1:], 5.0)) * _positions(worth.shape[1]))
        return winning_shares(rates, worth, floor=self.floor)


def _positions(arms: int) -> Floats:
    return np.linspace(0.5, -0.5, arms) if arms > 1 else np.zeros(1)


def _laplace(purchases: Floats, rejections: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return the mode and the inverse of the expected information of (a, b) under independent normal priors."""
    x, shown = _positions(purchases.shape[1]), purchases + rejections
    at = np.tile(mean, (len(purchases), 1))
    for _ in range(NEWTON_STEPS):
        gradient, information = _derivatives(at, x, purchases, shown, mean, variance)
        at = at + np.clip(np.linalg.solve(information, gradient[..., None])[..., 0], -1.0, 1.0)
    return at, np.asarray(np.linalg.inv(_derivatives(at, x, purchases, shown, mean, variance)[1]))


def _derivatives(
    at: Floats, x: Floats, purchases: Floats, shown: Floats, mean: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    slope = np.exp(np.minimum(at[:, 1:], 5.0)) * x
    rate = expit(at[:, :1] + slope)
    residual, weight = purchases - shown * rate, shown * rate * (1 - rate)
    gradient = np.stack([residual.sum(axis=1), (residual * slope).sum(axis=1)], axis=1) - (at - mean) / variance
    cross = (weight * slope).sum(axis=1)
    rows = [np.stack([weight.sum(axis=1) + 1 / variance[0], cross], axis=1)]
    rows.append(np.stack([cross, (weight * slope**2).sum(axis=1) + 1 / variance[1]], axis=1))
    return gradient, np.stack(rows, axis=1)
