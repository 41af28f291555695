"""Policies to ask "what would it have earned" about: each gives the probabilities of the arms that were on offer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Offer:
    """What was known when a price was drawn.

    Args:
        prices: (arm,) on offer, rising, in the currency's major unit.
        probabilities: (arm,) with which they were drawn.
        alpha, beta: (arm,) the posteriors of their purchase probability then.
        list_price: the shop's own price.
    """

    prices: Floats
    probabilities: Floats
    alpha: Floats
    beta: Floats
    list_price: float


Policy = Callable[[Offer], Floats]


def logged(offer: Offer) -> Floats:
    """What was done: its value is what was earned."""
    return offer.probabilities


def uniform(offer: Offer) -> Floats:
    """Every arm alike."""
    return np.full(len(offer.prices), 1 / len(offer.prices))


def lowest(offer: Offer) -> Floats:
    """Always the lowest price."""
    return _only(offer, 0)


def highest(offer: Offer) -> Floats:
    """Always the highest price."""
    return _only(offer, len(offer.prices) - 1)


def list_price(offer: Offer) -> Floats:
    """Always the arm nearest to the list price; the lower one of two as near."""
    return _only(offer, int(np.argmin(np.abs(offer.prices - offer.list_price))))


def greedy(offer: Offer) -> Floats:
    """Always the arm that was then believed to bring most: no exploring."""
    return _only(offer, int(np.argmax(offer.prices * offer.alpha / (offer.alpha + offer.beta))))


def _only(offer: Offer, arm: int) -> Floats:
    chosen = np.zeros(len(offer.prices))
    chosen[arm] = 1.0
    return chosen


POLICIES: Mapping[str, Policy] = {
    policy.__name__: policy for policy in (logged, list_price, greedy, uniform, lowest, highest)
}
