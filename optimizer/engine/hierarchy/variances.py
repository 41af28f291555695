"""How far the coefficients of a level lie apart, learned from all of them at once (empirical Bayes)."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ..pricing_arrays import Floats
from .config import INTERCEPT_VARIANCE, Beliefs
from .panel import SeriesPanel
from .tree import Children, Information, Posterior, given_parents, told_to_parents

LEAST_LOG_SPREAD, MOST_LOG_SPREAD = np.log(1e-3), np.log(1e2)
CURVATURE_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Tree:
    """Hold who belongs to whom, narrow to wide; the last level's parent is the whole shop."""

    levels: tuple[Children, ...]

    @classmethod
    def of(cls, panel: SeriesPanel) -> "Tree":
        """Make the tree of a panel's series; groups of which no series is there have their place all the same."""
        nodes = [*panel.groups, 1]
        above = panel.groups[-1] if panel.groups else len(panel)
        edges = [*panel.parents, np.zeros(above, dtype=np.int64)]
        return cls(tuple(Children.of(edge, count) for edge, count in zip(edges, nodes, strict=True)))


@dataclass(slots=True)
class Solved:
    """Hold the posterior of every level but the series, narrow to wide, and the shop's; and the log evidence."""

    known: list[Information]
    posteriors: list[Posterior] = field(default_factory=list)
    log_evidence: float = 0.0


def solve_up(known: Information, tree: Tree, variances: Floats, beliefs: Beliefs) -> Solved:
    """Return the posterior of the shop, its departments and categories, given (level, k) variances."""
    solved = Solved([known])
    for children, of_level in zip(tree.levels, variances, strict=True):
        told, constant = told_to_parents(solved.known[-1], children, of_level)
        solved.known.append(told)
        solved.log_evidence += constant
    shop, constant = _posterior_of_shop(solved.known[-1], beliefs)
    solved.log_evidence += constant
    solved.posteriors = [shop]
    for level in range(len(tree.levels) - 1, 0, -1):
        above, _ = given_parents(
            solved.known[level], tree.levels[level].parent, solved.posteriors[0], variances[level], with_covariance=True
        )
        solved.posteriors.insert(0, above)
    return solved


def _posterior_of_shop(told: Information, beliefs: Beliefs) -> tuple[Posterior, float]:
    k = len(beliefs.mean)
    precision = np.zeros((k, k))
    precision[np.tril_indices(k)] = told.gram[0]
    precision = np.tril(precision) + np.tril(precision, -1).T + np.diag(1 / beliefs.variance)
    pull = told.cross[0] + beliefs.mean / beliefs.variance
    covariance: Floats = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    mean = covariance @ pull
    constant = 0.5 * (
        pull @ mean
        - np.linalg.slogdet(precision)[1]
        - np.log(beliefs.variance).sum()
        - (beliefs.mean**2 / beliefs.variance).sum()
    )
    return Posterior(mean[None], np.diag(covariance)[None].copy(), covariance[None]), float(constant)


def usual_variances(beliefs: Beliefs, levels: int, intercept_sd: float) -> Floats:
    """Return the variances of each level, (level, k), before anything is learned."""
    variances = np.tile(np.exp(2 * beliefs.log_spread), (levels, 1))
    variances[:, 0] = INTERCEPT_VARIANCE
    variances[0, 0] = intercept_sd**2
    return variances


@dataclass(frozen=True, slots=True)
class Spreads:
    """Hold how far nodes lie from their parents: variances, and the sd of ln spread; (level, k) float64 each."""

    variances: Floats
    log_sd: Floats

    def at(self, sds: float) -> Floats:
        """Return the variances where each spread is so many of its standard deviations larger."""
        return self.variances * np.exp(2 * sds * self.log_sd)


def learned_spreads(known: Information, tree: Tree, beliefs: Beliefs, start: Floats, *, how_sure: bool) -> Spreads:
    """Return the spreads that make the data and the beliefs about them most probable; ``start``: (level, k) variances.

    The gradient is exact: what the expected squared distances from parents have more than the variances say. How
    sure they are (``how_sure``) is the curvature there.

    Source: Fisher's identity; Dempster, Laird & Rubin (1977); MacKay (2003), ch. 27 (Laplace's method).
    """
    evidence = _Evidence(known, tree, beliefs, start)
    found = Spreads(start.copy(), np.zeros_like(start))
    if not evidence.learned.any():
        return found
    # Twenty numbers: what BLAS would gain by threads it loses to those of the tree.
    with threadpool_limits(1, "blas"):
        best = minimize(
            evidence.loss,
            0.5 * np.log(start[evidence.learned]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(LEAST_LOG_SPREAD, MOST_LOG_SPREAD)] * int(evidence.learned.sum()),
            options={"maxiter": 60, "ftol": 1e-9},
        ).x
        found.variances[evidence.learned] = np.exp(2 * best)
        if how_sure:
            covariance = np.linalg.inv(evidence.curvature(best))
            found.log_sd[evidence.learned] = np.sqrt(np.diag(covariance))
    return found


class _Evidence:
    """What the data and the beliefs say against spreads, as a function of the logarithms of those that are learned."""

    def __init__(self, known: Information, tree: Tree, beliefs: Beliefs, start: Floats) -> None:
        self.known, self.tree, self.beliefs, self.start = known, tree, beliefs, start
        self.learned = np.tile(beliefs.spread_log_sd > 0, (len(start), 1))
        self.usual = np.tile(beliefs.log_spread, (len(start), 1))[self.learned]
        self.tightness = 1 / np.tile(beliefs.spread_log_sd, (len(start), 1))[self.learned] ** 2
        self.sizes = np.array([len(children.parent) for children in tree.levels], dtype=np.float64)[:, None]

    def loss(self, log_spread: Floats) -> tuple[float, Floats]:
        """Return minus the log posterior density, up to a constant, and its gradient."""
        variances = self.start.copy()
        variances[self.learned] = np.exp(2 * log_spread)
        solved = solve_up(self.known, self.tree, variances, self.beliefs)
        distances = [
            given_parents(
                solved.known[level], children.parent, solved.posteriors[level], variances[level], with_covariance=False
            )[1]
            for level, children in enumerate(self.tree.levels)
        ]
        away = log_spread - self.usual
        slope = (np.stack(distances) / variances - self.sizes)[self.learned] - self.tightness * away
        return -(solved.log_evidence - 0.5 * float(self.tightness @ away**2)), -slope

    def curvature(self, log_spread: Floats) -> Floats:
        """Return the Hessian of the loss, by differences of the gradient; nowhere less than the beliefs'."""
        columns = [
            (self.loss(log_spread + step)[1] - self.loss(log_spread - step)[1]) / (2 * CURVATURE_STEP)
            for step in np.eye(len(log_spread)) * CURVATURE_STEP
        ]
        hessian = np.array(columns)
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        return np.asarray(vectors * np.maximum(values, self.tightness.min()) @ vectors.T)
