"""Beta–Bernoulli Thompson sampling over prices, with exactly known propensities."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS: Final = 1_000
"""Posterior draws behind each set of choice probabilities; five arms take 0.15 ms a context on one core."""


def choice_probabilities(
    alpha: Floats, beta: Floats, worth: Floats, rng: np.random.Generator, *, draws: int = DRAWS, floor: float = 0.0
) -> Floats:
    """Return with which probability Thompson sampling plays each arm.

    θ_k ~ Beta(α_k, β_k);  π_k = P(w_k θ_k = max_j w_j θ_j);  π'_k = f + (1 − n f) π_k

    An arm is a price, θ the probability that a shopper buys at it and w what a purchase is worth (the price, or the
    margin): the best arm has the largest expected reward, not the largest probability. π is the share of ``draws``
    joint posterior draws that the arm wins. Draw the arm from π' itself, with `choose_arms`: then the propensity that
    is kept is the probability that was used, without Monte Carlo error, as off-policy evaluation needs it.

    Args:
        alpha: (context, arm) float64, > 0; prior plus purchases.
        beta: (context, arm) float64, > 0; prior plus rejections.
        worth: (context, arm) float64, currency per purchase; NaN where a context has fewer arms than the widest one.
        rng: source of the draws.
        draws: number of posterior draws, ≥ 1.
        floor: least probability f of every arm, 0 to 1/n for n arms; above 0 every arm stays evaluable.

    Returns:
        (context, arm) float64; every row sums to 1; 0 for an arm that is absent.

    Raises:
        ValueError: shapes differ, a parameter is outside its domain, or a context has no arm; the message says which.

    Source: Thompson (1933); Russo, Van Roy, Kazerouni, Osband, Wen (2018), A Tutorial on Thompson Sampling, sections
    3 and 4; the floor: Hadad, Hirshberg, Zhan, Wager, Athey (2021), section 2.
    """
    present = _checked(alpha, beta, worth, draws, floor)
    purchase_rates = rng.beta(np.where(present, alpha, 1.0), np.where(present, beta, 1.0), size=(draws, *worth.shape))
    return _winning_shares(purchase_rates, worth, present, floor)


def winning_shares(rates: Floats, worth: Floats, *, floor: float = 0.0) -> Floats:
    """Return in which share of posterior draws each arm has the largest reward, with a floor.

    Args:
        rates: (draw, context, arm) float64 purchase probabilities drawn from any posterior.
        worth: (context, arm) float64, currency per purchase; NaN where an arm is absent.
        floor: least probability of every arm, as in `choice_probabilities`.

    Returns:
        (context, arm) float64; every row sums to 1; 0 for an arm that is absent.

    Raises:
        ValueError: as `choice_probabilities`.
    """
    present = _checked(np.ones_like(worth), np.ones_like(worth), worth, len(rates), floor)
    return _winning_shares(rates, worth, present, floor)


def _winning_shares(rates: Floats, worth: Floats, present: NDArray[np.bool_], floor: float) -> Floats:
    rewards = np.where(present, rates * worth, -np.inf)
    wins = rewards.argmax(axis=-1)[..., None] == np.arange(worth.shape[-1])
    return with_floor(wins.mean(axis=0), present, floor)


def with_floor(probabilities: Floats, present: NDArray[np.bool_], floor: float) -> Floats:
    """Return π' = f + (1 − n f) π for the n arms that are present, 0 for the others."""
    arms = present.sum(axis=-1, keepdims=True)
    return np.where(present, floor + (1.0 - arms * floor) * probabilities, 0.0)


def choose_arms(probabilities: Floats, points: Floats) -> tuple[Ints, Floats]:
    """Draw one arm a row and return it with its propensity; the same points draw the same arms again.

    k = min{k : π_1 + … + π_k > u}

    Args:
        probabilities: (decision, arm) float64, ≥ 0, rows sum to 1: rows of `choice_probabilities`, one a decision.
        points: (decision,) float64 u, drawn uniformly from [0, 1).

    Returns:
        (decision,) int64 arm and (decision,) float64 propensity, > 0.

    Source: inverse transform sampling.
    """
    cumulative = probabilities.cumsum(axis=-1)
    reached = cumulative <= points[:, None] * cumulative[:, -1:]
    arm = reached.sum(axis=-1, dtype=np.int64)
    return arm, np.take_along_axis(probabilities, arm[:, None], axis=-1)[:, 0]


def _checked(alpha: Floats, beta: Floats, worth: Floats, draws: int, floor: float) -> NDArray[np.bool_]:
    """Return which arms are present."""
    if not alpha.shape == beta.shape == worth.shape or worth.ndim != 2:
        raise ValueError(f"shapes {alpha.shape}, {beta.shape}, {worth.shape}: give three (context, arm) arrays")
    present: NDArray[np.bool_] = ~np.isnan(worth)
    if not present.any(axis=-1).all():
        raise ValueError("a context has no arm: leave it out, or give it a worth that is not NaN")
    if not ((alpha > 0) & (beta > 0) & np.isfinite(alpha + beta) | ~present).all():
        raise ValueError("alpha and beta must be positive and finite: begin with a prior such as Beta(1, 1)")
    if draws < 1:
        raise ValueError(f"draws is {draws}: give at least 1")
    if not 0.0 <= floor * int(present.sum(axis=-1).max(initial=1)) <= 1.0:
        raise ValueError(f"floor is {floor}: give 0 to 1/n, where n is the largest number of arms")
    return present
