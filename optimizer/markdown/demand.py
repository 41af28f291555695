"""What one period sells at each price, over the posterior of demand."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from .problem import MAX_NODES, Floats, MarkdownProblem

LEVEL_NODES: Final = 3
ELASTICITY_NODES: Final = MAX_NODES // LEVEL_NODES
MAX_LOG_MEAN: Final = 25.0  # 7·10¹⁰ units a period: keeps an absurd price finite, and sells any stock out


@dataclass(frozen=True, slots=True)
class PeriodSales:
    """Hold the sales of one period at each price and each node of the posterior.

    Args:
        weight: (node,) float64, sums to 1.
        shift: (sku, node, rung, cell) float64, the probability that demand lowers the stock by so many cells. What is
            missing to 1 is demand for more than there are cells.
        units: (sku, node, rung, cell) float64, the expected sales E[min(D, stock)] from a stock of so many cells.
    """

    weight: Floats
    shift: Floats
    units: Floats

    def mixed(self) -> tuple[Floats, Floats]:
        """Return shift and units over all nodes, (sku, rung, cell) each."""
        return np.einsum("n,bnks->bks", self.weight, self.shift), np.einsum("n,bnks->bks", self.weight, self.units)


def period_sales(problem: MarkdownProblem) -> PeriodSales:
    """Work out what a period sells: Poisson with mean Q0·(p/p0)^e, mixed over Q0 and e by Gauss-Hermite quadrature.

    ln Q0 ~ Normal(ln demand − τ²/2, τ²) and e ~ Normal(m, s²), independent. Where stock is counted in cells of h
    units, a demand between two cells goes to both, with the weights of linear interpolation: its mean is kept.

    Source: Talluri and van Ryzin (2004), section 5.2; Gauss-Hermite: Abramowitz and Stegun (1964), 25.4.46.
    """
    elasticity_z, elasticity_weight = _normal_nodes(ELASTICITY_NODES, bool(problem.elasticity_sd.any()))
    level_z, level_weight = _normal_nodes(LEVEL_NODES, bool(problem.log_demand_sd.any()))
    weight = np.outer(elasticity_weight, level_weight).ravel()
    z_e, z_q = (each.ravel() for each in np.meshgrid(elasticity_z, level_z, indexing="ij"))
    mean = _node_means(problem, z_e, z_q)
    pmf = _poisson(mean, int(problem.stock.max(initial=0)) + 1)
    return PeriodSales(weight, _shifts(problem, pmf), _expected_sales(problem, pmf))


def _node_means(problem: MarkdownProblem, z_e: Floats, z_q: Floats) -> Floats:
    """Return (sku, node, rung) expected demand of a period."""
    log_ratio = np.log(problem.ladder / problem.reference[:, None])[:, None, :]
    elasticity = problem.elasticity_mean[:, None] + problem.elasticity_sd[:, None] * z_e
    sd = problem.log_demand_sd[:, None]
    level = np.log(problem.demand)[:, None] - sd**2 / 2 + sd * z_q
    means: Floats = np.exp(np.minimum(level[:, :, None] + elasticity[:, :, None] * log_ratio, MAX_LOG_MEAN))
    return means


def _normal_nodes(count: int, uncertain: bool) -> tuple[Floats, Floats]:
    if not uncertain:
        return np.zeros(1), np.ones(1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / math.sqrt(2 * math.pi)


def _poisson(mean: Floats, size: int) -> Floats:
    """Return (…, size) P(D = d), d = 0 … size − 1."""
    units = np.arange(size)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(units[1:]))])
    pmf: Floats = np.exp(np.log(mean)[..., None] * units - mean[..., None] - log_factorial)
    return pmf


def _shifts(problem: MarkdownProblem, pmf: Floats) -> Floats:
    cells = problem.cells()
    if np.all(problem.cell == 1.0):
        return pmf[..., :cells]
    shift = np.zeros((*pmf.shape[:-1], cells))
    for row, width in enumerate(problem.cell):
        position = np.arange(pmf.shape[-1]) / width
        whole = np.floor(position).astype(np.int64)
        part = position - whole
        weights = np.zeros((pmf.shape[-1], cells))
        for target, share in ((whole, 1 - part), (whole + 1, part)):
            inside = np.flatnonzero(target < cells)
            weights[inside, target[inside]] += share[inside]
        shift[row] = pmf[row] @ weights
    return shift


def _expected_sales(problem: MarkdownProblem, pmf: Floats) -> Floats:
    """Return E[min(D, s)] = Σ_{d<s} P(D > d) at each cell's stock, which may lie between two units."""
    exceeds = 1 - np.cumsum(pmf, axis=-1)
    whole_units = np.concatenate([np.zeros((*pmf.shape[:-1], 1)), np.cumsum(np.clip(exceeds, 0, 1), axis=-1)], axis=-1)
    grid = np.minimum(problem.grid(), pmf.shape[-1])
    below = np.floor(grid).astype(np.int64)
    above = np.minimum(below + 1, pmf.shape[-1])
    part = (grid - below)[:, None, None, :]
    low = np.take_along_axis(
        whole_units, np.broadcast_to(below[:, None, None, :], (*pmf.shape[:-1], below.shape[1])), -1
    )
    high = np.take_along_axis(
        whole_units, np.broadcast_to(above[:, None, None, :], (*pmf.shape[:-1], above.shape[1])), -1
    )
    units: Floats = low * (1 - part) + high * part
    return units
