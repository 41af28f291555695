"""Pairs that are substitutes among pairs that are not, told apart by all their estimates at once."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ..pricing_arrays import Floats
from .config import SPIKE, CrossPriceConfig

MIXTURE_ROUNDS, WORTH_PAIRS = 200, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEstimates:
    """Hold what the data say of each pair's effect, (pair,) float64 each: an estimate and its variance."""

    estimate: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPosterior:
    """Hold the posterior of each pair's effect, (pair,) float64 each, and the probability that it is one."""

    mean: Floats
    sd: Floats
    inclusion: Floats


def two_groups(pairs: PairEstimates, config: CrossPriceConfig) -> PairPosterior:
    """Shrink each pair's effect to nothing, or to what substitutes have in common, by where it more likely belongs.

    Effects are N(0, 0.03²) with probability 1 − π and N(μ, τ²) with probability π; π and μ are the likeliest (EM).

    Source: Efron (2008), two-groups model; Dempster, Laird & Rubin (1977).
    """
    estimate, variance = pairs.estimate, pairs.variance
    share, effect = config.substitutes, config.effect
    as_one, as_none = variance + config.effect_sd**2, variance + SPIKE**2
    inclusion = np.full(len(estimate), share)
    for _ in range(MIXTURE_ROUNDS):
        likelier = _log_density(estimate - effect, as_one) - _log_density(estimate, as_none)
        inclusion = expit(np.log(share / (1 - share)) + likelier)
        share = float((inclusion.sum() + WORTH_PAIRS * config.substitutes) / (len(inclusion) + WORTH_PAIRS))
        weight, believed = inclusion / as_one, 1 / config.effect_mean_sd**2
        effect = float((weight @ estimate + believed * config.effect) / (weight.sum() + believed))
    one = (estimate * config.effect_sd**2 + effect * variance) / as_one
    none = estimate * SPIKE**2 / as_none
    mean = inclusion * one + (1 - inclusion) * none
    square = inclusion * (variance * config.effect_sd**2 / as_one + one**2)
    square = square + (1 - inclusion) * (variance * SPIKE**2 / as_none + none**2)
    return PairPosterior(mean=mean, sd=np.sqrt(square - mean**2), inclusion=inclusion)


def _log_density(away: Floats, variance: Floats) -> Floats:
    return np.asarray(-0.5 * (np.log(variance) + away**2 / variance))
