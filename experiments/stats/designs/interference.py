"""Interference: what substitutes in other arms do to the estimate, foretold from cross-price elasticities.

Where a price rises, demand moves to substitutes. Where those are the control, the effect is counted twice; where all
prices rise, as they would after the decision, it would not have been there at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from experiments.stats.designs.hashing import Floats

ASSUMED_CATEGORY_CROSS = 1.0
"""Where nothing was learned: how much a listing's demand rises with all other prices of its category, dlnQ/dlnp.

An own-price elasticity of −1.5 (the prior of demand) in a category whose demand as a whole answers with −0.5 leaves it.
"""


@dataclass(frozen=True, slots=True)
class Substitutes:
    """Hold pairs of listings of which one's price moves the other's demand.

    Args:
        unit: (pair,) int, index of the one whose demand moves.
        other: (pair,) int, index of the one whose price does.
        strength: (pair,) float64, dlnQ_unit/dlnp_other; positive: substitutes, negative: complements.
    """

    unit: ArrayLike
    other: ArrayLike
    strength: ArrayLike


@dataclass(frozen=True, slots=True)
class Interference:
    """Hold what is foretold for an arm against the control.

    Args:
        exposed_share: share of the metric that is made by units with a substitute in another arm.
        bias: estimate less truth, relative to the control's metric: −0.15 is an effect 15 points too low.
        estimated_spill: what other prices do to the estimate, relative.
        true_spill: what they would do if everything had the arm, relative.
    """

    exposed_share: float
    bias: float
    estimated_spill: float
    true_spill: float


def interference(
    pairs: Substitutes, *, arms: ArrayLike, changes: Sequence[float], weights: ArrayLike, arm: int
) -> Interference:
    """Foretell the bias of comparing an arm with the control.

        m_i = exp(Σ_j s_ij · ln(1 + change of j's arm))
        estimate: Σ_T w·m / Σ_T w over Σ_C w·m / Σ_C w, less 1;  truth: the same sum over all units at the arm's
        change, over all units at none, less 1.

    What a unit's own price does is in both, and falls out of the difference to first order.

    Args:
        pairs: of units by index; those with a unit that takes no part are left out.
        arms: (unit,) int, 0 the control; negative: takes no part, at the price in force.
        changes: (arm,) price change of each arm, > -1: 0.05 is 5 % dearer.
        weights: (unit,) float64, >= 0: the unit's metric before the start.
        arm: the index of the arm to compare.

    Raises:
        ValueError: an arm without weight, as nothing can be compared there.

    Source: Blake & Coey (2014) for the bias of splits among substitutes; first-order log-linear demand.
    """
    drawn, weight = np.asarray(arms, dtype=np.int64), np.asarray(weights, dtype=np.float64)
    unit, other = np.asarray(pairs.unit, dtype=np.int64), np.asarray(pairs.other, dtype=np.int64)
    strength = np.asarray(pairs.strength, dtype=np.float64)
    inside = (drawn[unit] >= 0) & (drawn[other] >= 0)
    unit, other, strength = unit[inside], other[inside], strength[inside]
    log_change = np.log1p(np.asarray(changes, dtype=np.float64))
    served = _multipliers(unit, strength * log_change[drawn[other]], len(weight))
    all_in_arm = _multipliers(unit, strength * log_change[arm], len(weight))
    part, treated, control = drawn >= 0, drawn == arm, drawn == 0
    if weight[treated].sum() <= 0 or weight[control].sum() <= 0:
        raise ValueError(f"weights: got none in arm {arm} or the control; give an assignment with sales in both")
    estimate = _mean(served, weight, treated) / _mean(served, weight, control) - 1
    truth = _mean(all_in_arm, weight, part) - 1
    apart = np.zeros(len(weight), dtype=bool)
    apart[unit[drawn[unit] != drawn[other]]] = True
    exposed = weight[apart & part].sum() / weight[part].sum()
    return Interference(float(exposed), float(estimate - truth), float(estimate), float(truth))


def same_category_pairs(
    categories: ArrayLike, weights: ArrayLike, *, total: float = ASSUMED_CATEGORY_CROSS, most: int = 200_000
) -> Substitutes:
    """Return pairs for where nothing was learned: all listings of a category, by their weight.

        s_ij = total · w_j / Σ_{k ≠ i} w_k

    Of large categories each listing is paired with as many others, evenly spread, as keeps all pairs below ``most``.

    Args:
        categories: (unit,) int; negative: none, no pairs.
        weights: (unit,) float64, >= 0.
    """
    group, weight = np.asarray(categories, dtype=np.int64), np.asarray(weights, dtype=np.float64) + 1e-9
    counts = np.bincount(group[group >= 0]) if (group >= 0).any() else np.zeros(1, dtype=np.int64)
    each = max(most // max(int((group >= 0).sum()), 1), 1)
    units, others, strengths = [], [], []
    for category in np.flatnonzero(counts > 1).tolist():
        members = np.flatnonzero(group == category)
        steps = np.unique(np.linspace(1, len(members) - 1, min(each, len(members) - 1)).astype(np.int64))
        places = (np.arange(len(members))[:, None] + steps) % len(members)
        partner = members[places]
        share = weight[partner] / weight[partner].sum(axis=1, keepdims=True)
        units.append(np.repeat(members, len(steps)))
        others.append(partner.ravel())
        strengths.append((total * share).ravel())
    if not units:
        return Substitutes(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return Substitutes(np.concatenate(units), np.concatenate(others), np.concatenate(strengths))


def _multipliers(unit: ArrayLike, exponents: Floats, units: int) -> Floats:
    result: Floats = np.exp(np.bincount(np.asarray(unit), weights=exponents, minlength=units))
    return result


def _mean(values: Floats, weight: Floats, chosen: ArrayLike) -> float:
    where = np.asarray(chosen, dtype=bool)
    return float((values[where] * weight[where]).sum() / weight[where].sum())
