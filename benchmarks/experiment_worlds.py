"""Simulated shops for the calibration of experiments: cumulative moments of two arms, many runs at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.stats.inference.moments import Moments

Floats = NDArray[np.float64]
BUYERS = 0.03
LOG_SD = 1.0
PARETO_SHAPE = 2.5
"""Finite variance, infinite skewness."""


@dataclass(frozen=True)
class Arms:
    """Moments (run, look) of both arms, cumulative over looks."""

    control: Moments
    treatment: Moments


@dataclass(frozen=True)
class World:
    """One kind of outcome: ``mean`` and ``variance`` of a visitor without treatment."""

    name: str
    mean: float
    variance: float

    def effect_for(self, drift: float, visitors: float) -> float:
        """Return the difference of means that is ``drift`` standard errors of it with so many visitors an arm."""
        return drift * float(np.sqrt(2 * self.variance / visitors))

    def arms(self, rng: np.random.Generator, runs: int, looks: int, per_look: int, effect: float) -> Arms:
        return Arms(*(self._arm(rng, (runs, looks), per_look, lift) for lift in (0.0, effect)))

    def _arm(self, rng: np.random.Generator, shape: tuple[int, int], per_look: int, effect: float) -> Moments:
        total, squares = self._sums(rng, shape, per_look, effect)
        count = np.broadcast_to(np.arange(1.0, shape[1] + 1) * per_look, shape)
        return Moments(count, np.cumsum(total, 1), np.cumsum(squares, 1))

    def _sums(
        self, rng: np.random.Generator, shape: tuple[int, int], per_look: int, effect: float
    ) -> tuple[Floats, Floats]:
        raise NotImplementedError


class Conversion(World):
    """A visitor buys or not; sums of ones are drawn exactly as binomials."""

    def __init__(self) -> None:
        super().__init__("conversion 3 %", BUYERS, BUYERS * (1 - BUYERS))

    def _sums(
        self, rng: np.random.Generator, shape: tuple[int, int], per_look: int, effect: float
    ) -> tuple[Floats, Floats]:
        sold = rng.binomial(per_look, BUYERS + effect, shape).astype(float)
        return sold, sold


class Revenue(World):
    """97 % of the visitors spend nothing; the amounts of the others are drawn one by one. A lift raises amounts."""

    def __init__(self, tail: str) -> None:
        self.tail = tail
        first, second = _amount_moments(tail)
        super().__init__(f"revenue, {tail}", BUYERS * first, BUYERS * second - (BUYERS * first) ** 2)

    def _sums(
        self, rng: np.random.Generator, shape: tuple[int, int], per_look: int, effect: float
    ) -> tuple[Floats, Floats]:
        buyers = rng.binomial(per_look, BUYERS, shape)
        amounts = draw_amounts(rng, self.tail, int(buyers.sum())) * (1 + effect / self.mean)
        cell = np.repeat(np.arange(buyers.size), buyers.ravel())
        sums = [np.bincount(cell, weights=amounts**power, minlength=buyers.size).reshape(shape) for power in (1, 2)]
        return sums[0], sums[1]


def draw_amounts(rng: np.random.Generator, tail: str, count: int) -> Floats:
    if tail == "log-normal":
        return rng.lognormal(3.0, LOG_SD, count)
    return 20.0 * (1 + rng.pareto(PARETO_SHAPE, count))


def _amount_moments(tail: str) -> tuple[float, float]:
    if tail == "log-normal":
        return float(np.exp(3 + LOG_SD**2 / 2)), float(np.exp(6 + 2 * LOG_SD**2))
    shape = PARETO_SHAPE
    return 20 * shape / (shape - 1), 400 * shape / (shape - 2)


WORLDS = (Conversion(), Revenue("log-normal"), Revenue("Pareto"))


def spending_before_and_after(
    rng: np.random.Generator, runs: int, looks: int, per_look: int, effect: float, correlation: float = 0.7
) -> Arms:
    """Visitors with a covariate: what they spent before, log-normal, and after, with this correlation."""
    return Arms(*(_correlated(rng, runs, looks, per_look, lift, correlation) for lift in (0.0, effect)))


def _correlated(
    rng: np.random.Generator, runs: int, looks: int, per_look: int, effect: float, correlation: float
) -> Moments:
    rest = np.sqrt(1 - correlation**2)
    parts = []
    for _ in range(looks):
        before, noise = (_standard_lognormal(rng, (runs, per_look)) for _ in range(2))
        parts.append(Moments.of(correlation * before + rest * noise + effect, before))
    columns = [
        np.stack([np.asarray(getattr(p, name), float) for p in parts], 1).cumsum(1)
        for name in ("n", "sum_y", "sum_y2", "sum_x", "sum_x2", "sum_xy")
    ]
    return Moments(*columns)


def _standard_lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw log-normal values (σ = 0.8) of mean 0 and variance 1."""
    sd = 0.8
    raw = rng.lognormal(0.0, sd, shape)
    mean, variance = np.exp(sd**2 / 2), (np.exp(sd**2) - 1) * np.exp(sd**2)
    return np.asarray((raw - mean) / np.sqrt(variance))
