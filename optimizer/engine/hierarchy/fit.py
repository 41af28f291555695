"""Fit the demand of many series together."""

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .config import Beliefs, HierarchyConfig
from .likelihoods import Counts, LogNormal, likelihood_of
from .panel import SeriesPanel
from .results import HierarchicalFit, LevelEstimates
from .tree import Information, Posterior, given_parents
from .variances import Spreads, Tree, learned_spreads, solve_up, usual_variances

_ONE_AT_A_TIME: Final = threading.Lock()
"""Without OpenMP or TBB, Numba's threads serve one caller only."""

WELL_KNOWN: Final = 0.1
"""A spread known to a tenth: what is left changes an interval by a hundredth."""

POINT_WEIGHTS: Final = (2 / 3, 1 / 6, 1 / 6)


def fit_hierarchy(panel: SeriesPanel, config: HierarchyConfig | None = None) -> HierarchicalFit:
    """Fit all series of a panel, each shrunk to its category, that to its department, that to the shop.

    ln units = level + βᵀx + noise, with β normal around the parent's at every level. How far nodes lie from their
    parents is learned from the data (empirical Bayes), as is the noise that series have in common; given both, the
    posterior of the whole tree is exact and closed form. A million series take some 0.7 seconds on two
    cores. Censored weeks and counts are taken as the Gaussians that touch their likelihoods at the mode.

    Use it for elasticities that SKUs with few price changes borrow from their like.

    Args:
        panel: the rows of all series.
        config: beliefs and likelihood; None for the usual ones.

    Returns:
        Posterior of every series, category and department, and of the shop.

    Raises:
        ValueError: a value is not finite or no count; the message names series and feature.

    Source: Gelman et al. (2013), ch. 5 and 15; Rossi, Allenby & McCulloch (2005), ch. 3.
    """
    settings = config or HierarchyConfig()
    beliefs = settings.effects_of(panel.names)
    with _ONE_AT_A_TIME:
        drawn = panel.of(_draw(len(panel), settings))
        of_drawn = likelihood_of(drawn, settings.likelihood)
        learned = _learn(of_drawn, Tree.of(drawn), beliefs, settings)
        likelihood = of_drawn.of(panel)
        tree = Tree.of(panel)
        found = _over_spreads(_settle(likelihood, tree, beliefs, learned), tree, beliefs, learned.spreads)
    mean = found.series.mean
    mean[:, 0] += likelihood.level
    return HierarchicalFit(
        names=("level", *panel.names),
        mean=mean,
        sd=np.sqrt(found.series.variance),
        groups=tuple(_estimates(each) for each in found.above[:-1]),
        shop=_estimates(found.above[-1]),
        spread=np.sqrt(learned.spreads.variances),
        noise_sd=likelihood.noise_sd,
        dispersion=likelihood.dispersion,
        learned_from=len(drawn),
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """Hold the spreads, and the means (parent, k) around which the series lie."""

    spreads: Spreads
    parent_mean: Floats


@dataclass(frozen=True, slots=True)
class _Settled:
    """Hold what the rows said in the last round, and the posterior of the series and of all levels above."""

    said: Information
    series: Posterior
    above: list[Posterior]


def _learn(likelihood: LogNormal | Counts, tree: Tree, beliefs: Beliefs, config: HierarchyConfig) -> _Start:
    """Learn spreads and noise in turn from some of the series; all nodes above them stay in the tree."""
    usual = usual_variances(beliefs, len(tree.levels), config.intercept_sd)
    start = _Start(Spreads(usual, np.zeros_like(usual)), np.tile(beliefs.mean, (tree.levels[0].parents, 1)))
    for left in reversed(range(config.rounds)):
        found = _settle(likelihood, tree, beliefs, start)
        likelihood.learn()
        parent_mean = found.above[0].mean
        said = likelihood.information(tree.levels[0].parent, parent_mean, start.spreads.variances[0])
        spreads = learned_spreads(said, tree, beliefs, start.spreads.variances, how_sure=left == 0)
        start = _Start(spreads, parent_mean)
    return _Start(start.spreads, _settle(likelihood, tree, beliefs, start).above[0].mean)


def _settle(likelihood: LogNormal | Counts, tree: Tree, beliefs: Beliefs, start: _Start) -> _Settled:
    """Return the posterior given the spreads: at once where the likelihood is Gaussian, else in a few rounds."""
    parent, parent_mean, variances = tree.levels[0].parent, start.parent_mean, start.spreads.variances
    for _ in range(likelihood.rounds):
        said = likelihood.information(parent, parent_mean, variances[0])
        found = _solve(said, tree, beliefs, variances)
        parent_mean = found.above[0].mean
        likelihood.look_again(found.series.mean)
    return found


def _solve(said: Information, tree: Tree, beliefs: Beliefs, variances: Floats) -> _Settled:
    above = solve_up(said, tree, variances, beliefs).posteriors
    series, _ = given_parents(said, tree.levels[0].parent, above[0], variances[0], with_covariance=False)
    return _Settled(said, series, above)


def _over_spreads(found: _Settled, tree: Tree, beliefs: Beliefs, spreads: Spreads) -> _Settled:
    """Return the posterior over the spreads that are likely, not only at the likeliest.

    Where prices hardly vary the data cannot tell how far elasticities lie apart, and intervals at one guess are as
    wrong as the guess. Three points of Gauss and Hermite, all spreads moved at once; only the likeliest where those of
    the series are known well.
    """
    if spreads.log_sd[0].max() < WELL_KNOWN:
        return found
    points = [found] + [_solve(found.said, tree, beliefs, spreads.at(side)) for side in (-np.sqrt(3), np.sqrt(3))]
    return _Settled(
        found.said,
        _mixture([point.series for point in points]),
        [_mixture([point.above[level] for point in points]) for level in range(len(found.above))],
    )


def _mixture(points: list[Posterior]) -> Posterior:
    mean = sum(weight * point.mean for weight, point in zip(POINT_WEIGHTS, points, strict=True))
    square = sum(weight * (point.variance + point.mean**2) for weight, point in zip(POINT_WEIGHTS, points, strict=True))
    return Posterior(np.asarray(mean), np.asarray(square - mean**2), None)


def _draw(series: int, config: HierarchyConfig) -> Ints:
    if series <= config.learn_from:
        return np.arange(series)
    return np.sort(np.random.default_rng(config.seed).choice(series, config.learn_from, replace=False))


def _estimates(posterior: Posterior) -> LevelEstimates:
    return LevelEstimates(mean=posterior.mean, sd=np.sqrt(posterior.variance))
