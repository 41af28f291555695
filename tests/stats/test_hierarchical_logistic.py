"""Hierarchical logistic demand: mode and spread against a grid, and recovery of a simulated population."""

import numpy as np
import pytest
from scipy.special import expit

from experiments.stats.hierarchical_logistic import HierarchicalLogistic, _laplace
from experiments.stats.outcome_counts import OutcomeCounts

X = np.linspace(0.5, -0.5, 7)


def test_mode_and_covariance_agree_with_a_grid():
    rng = np.random.default_rng(1)
    shown = np.full((1, 7), 120)
    purchases = rng.binomial(shown, expit(0.3 + np.exp(1.2) * X))
    mean, variance = np.array([-0.5, 1.0]), np.array([1.5, 0.5])
    mode, covariance = _laplace(purchases.astype(float), (shown - purchases).astype(float), mean, variance)
    a, b = np.meshgrid(np.linspace(-1, 1.5, 401), np.linspace(0, 2.5, 401), indexing="ij")
    rates = expit(a[..., None] + np.exp(b)[..., None] * X)
    log = (purchases * np.log(rates) + (shown - purchases) * np.log1p(-rates)).sum(axis=2)
    log -= 0.5 * ((a - mean[0]) ** 2 / variance[0] + (b - mean[1]) ** 2 / variance[1])
    top = np.unravel_index(log.argmax(), log.shape)
    np.testing.assert_allclose(mode[0], [a[top], b[top]], atol=0.01)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    spread = [np.sqrt((weight * (each - (weight * each).sum()) ** 2).sum()) for each in (a, b)]
    np.testing.assert_allclose(np.sqrt(np.diagonal(covariance[0])), spread, rtol=0.1)


def test_contexts_are_recovered_and_one_without_outcomes_is_like_the_others():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.8, 0.5, 200), rng.normal(1.4, 0.3, 200)
    shown = np.full((200, 7), 80)
    shown[0] = 0
    purchases = rng.binomial(shown, expit(a[:, None] + np.exp(b)[:, None] * X))
    counts = OutcomeCounts(0, shown[None], purchases[None], (shown - purchases)[None])
    mode, covariance = HierarchicalLogistic().posterior(counts, epoch=0)
    errors = np.abs(mode - np.stack([a, b], axis=1)) / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    assert 0.9 < (errors[1:] < 2).mean() <= 1.0
    np.testing.assert_allclose(mode[0], [0.8, 1.4], atol=0.15)
    assert np.sqrt(covariance[0, 0, 0]) == pytest.approx(0.5, abs=0.2)
