"""Hidden demand for bandit benchmarks: 100 contexts × 11 prices, drawn from a seed."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Rates = Callable[[int], Floats]

CONTEXTS: Final = 100
PRICES: Final = np.linspace(10.0, 30.0, 11)
EPOCH: Final = 1_000
"""Decisions in an epoch: ten a context."""
DELAY: Final = 10_000


def _logistic(parameters: Floats) -> Floats:
    middle, scale, conversion = parameters
    return conversion[:, None] * expit((middle[:, None] - PRICES) / scale[:, None])


def _conversion(kind: str, rng: np.random.Generator) -> Floats:
    """Ride: everybody who asks would buy at some price. Shop: 2 to 10 % would."""
    return np.ones(CONTEXTS) if kind == "ride" else rng.uniform(0.02, 0.10, CONTEXTS)


def _drawn(kind: str, rng: np.random.Generator) -> Floats:
    """Return (3, context): m ~ U(12, 30), s ~ U(1.5, 5), conv."""
    return np.stack([rng.uniform(12, 30, CONTEXTS), rng.uniform(1.5, 5, CONTEXTS), _conversion(kind, rng)])


def _still(kind: str, rng: np.random.Generator, rounds: int) -> Rates:
    rates = _logistic(_drawn(kind, rng))
    return lambda at: rates


def _jump(kind: str, rng: np.random.Generator, rounds: int) -> Rates:
    """All contexts are drawn anew at half-time."""
    before, after = _logistic(_drawn(kind, rng)), _logistic(_drawn(kind, rng))
    return lambda at: before if at < rounds // 2 else after


def _drift(kind: str, rng: np.random.Generator, rounds: int) -> Rates:
    """Parameters move evenly from one draw to another, independent one over the whole time."""
    first, last = _drawn(kind, rng), _drawn(kind, rng)
    return lambda at: _logistic(first + (last - first) * at / rounds)


def _some_jump(kind: str, rng: np.random.Generator, rounds: int) -> Rates:
    """A fifth of the contexts is drawn anew, each at a moment of its own."""
    before, after = _logistic(_drawn(kind, rng)), _logistic(_drawn(kind, rng))
    moment = np.where(np.arange(CONTEXTS) < CONTEXTS // 5, rng.uniform(0.2, 0.8, CONTEXTS), np.inf)
    return lambda at: np.where((at >= moment * rounds)[:, None], after, before)


def _segments(kind: str, rng: np.random.Generator, rounds: int) -> Rates:
    """Two kinds of shopper, one at low and one at high prices: revenue has two peaks."""
    low, high = rng.uniform(10, 17, CONTEXTS)[:, None], rng.uniform(20, 32, CONTEXTS)[:, None]
    share = rng.uniform(0.3, 0.7, CONTEXTS)[:, None]
    mixed = share * expit((low - PRICES) / 0.8) + (1 - share) * expit((high - PRICES) / 0.8)
    rates = _conversion(kind, rng)[:, None] * mixed
    return lambda at: rates


def _cliff(kind: str, rng: np.random.Generator, rounds: int) -> Rates:
    """Demand is flat up to one price and an eighth of it beyond."""
    edge = rng.uniform(12, 30, CONTEXTS)[:, None]
    rates = _conversion(kind, rng)[:, None] * np.where(edge >= PRICES, 0.8, 0.1)
    return lambda at: rates


WORLDS: Final = {
    "still": _still,
    "jump": _jump,
    "delay": _still,
    "random-delay": _still,
    "drift": _drift,
    "some-jump": _some_jump,
    "segments": _segments,
    "cliff": _cliff,
}


def delays(world: str, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how many rounds pass before each outcome is known."""
    if world == "delay":
        return np.full(size, DELAY)
    return rng.integers(0, 2 * DELAY, size) if world == "random-delay" else np.zeros(size, np.int64)
