"""What the rows of a panel say of each series' coefficients, under the likelihood that is asked for."""

from typing import Final

import numpy as np
import torch

from catalog.guardrails import Ints

from ..noise import pooled_noise_prior
from ..pricing_arrays import Floats
from .moments import Moments, moments
from .noise import LEAST_VARIANCE, noise_of_series
from .panel import SeriesPanel
from .reweighting import censored_moments, count_level, count_moments, dispersion_of
from .tree import Information

LONGEST_STEP: Final = 2.0
ROUNDS: Final = 8
"""Times that rows are taken anew at the coefficients of the moment; changes are below a hundredth of a sd after six."""


class LogNormal:
    """Normal noise of ln units, a variance for each series; censored rows hide what was beyond them."""

    def __init__(self, panel: SeriesPanel, prior: tuple[float, float] | None = None) -> None:
        self.panel, self.whole = panel, moments(panel)
        self.known, self.level = self.whole, self.whole.level
        self.hidden = np.flatnonzero(_any_of(panel)) if panel.censored is not None else np.zeros(0, dtype=np.int64)
        self.rounds = ROUNDS if len(self.hidden) else 1
        self.prior = prior or (2.0, _common_variance(self.whole))
        self.variance = self.residual = self.freedom = np.full(len(panel), self.prior[1])

    def information(self, parent: Ints, parent_mean: Floats, variances: Floats) -> Information:
        self.variance, self.residual, self.freedom = noise_of_series(
            self.known, parent, parent_mean, variances, self.prior
        )
        return Information(self.known.gram, self.known.cross, 1 / self.variance)

    def look_again(self, mean: Floats) -> None:
        if len(self.hidden):
            self.known = censored_moments(self.panel, self.whole, mean, self.variance, self.hidden)

    def learn(self) -> None:
        own = self.residual / np.maximum(self.freedom, 1e-9)
        self.prior = pooled_noise_prior(torch.from_numpy(own), torch.from_numpy(self.freedom))

    def of(self, panel: SeriesPanel) -> "LogNormal":
        return LogNormal(panel, self.prior)

    @property
    def noise_sd(self) -> Floats:
        return np.asarray(np.sqrt(self.variance), dtype=np.float64)

    @property
    def dispersion(self) -> float:
        return 0.0


class Counts:
    """Units of variance μ + dispersion·μ²; Poisson where the dispersion is kept at 0."""

    rounds = ROUNDS

    def __init__(self, panel: SeriesPanel, *, is_dispersed: bool, dispersion: float = 0.0) -> None:
        if panel.censored is not None and panel.censored.any():
            raise ValueError("censored: counts that are censored are not known; fit ln units, or leave those weeks out")
        wrong = np.flatnonzero((panel.target < 0) | ~np.isfinite(panel.target))
        if len(wrong):
            raise ValueError(f"target: row {wrong[0]} is {panel.target[wrong[0]]}; counts are 0 or above")
        self.panel, self.is_dispersed, self.dispersion = panel, is_dispersed, dispersion
        self.known = moments(panel)
        self.level = count_level(panel)
        self.known = Moments(self.known.gram, self.known.cross, self.known.square, self.level, self.known.count)
        self.mean: Floats | None = None

    def information(self, parent: Ints, parent_mean: Floats, variances: Floats) -> Information:
        if self.mean is None:
            self.mean = parent_mean[parent]
        self.known = count_moments(self.panel, self.known, self.mean, self.dispersion)
        return Information(self.known.gram, self.known.cross, np.ones(len(self.panel)))

    def look_again(self, mean: Floats) -> None:
        assert self.mean is not None
        step = mean - self.mean
        # Far from the mode a whole step overshoots, where a series sells much more than was believed.
        largest = np.abs(step).max(1, keepdims=True)
        self.mean = self.mean + step * np.minimum(1.0, LONGEST_STEP / np.maximum(largest, 1e-12))

    def learn(self) -> None:
        assert self.mean is not None
        if self.is_dispersed:
            self.dispersion = dispersion_of(self.panel, self.level, self.mean)

    def of(self, panel: SeriesPanel) -> "Counts":
        return Counts(panel, is_dispersed=self.is_dispersed, dispersion=self.dispersion)

    @property
    def noise_sd(self) -> Floats:
        return np.full(len(self.panel), np.nan)


def likelihood_of(panel: SeriesPanel, name: str) -> LogNormal | Counts:
    """Return the likelihood of this name over the rows of a panel."""
    return LogNormal(panel) if name == "lognormal" else Counts(panel, is_dispersed=name == "negative_binomial")


def _any_of(panel: SeriesPanel) -> Ints:
    assert panel.censored is not None
    before = np.append(0, np.cumsum(panel.censored))
    return np.asarray(before[panel.start[1:]] - before[panel.start[:-1]])


def _common_variance(known: Moments) -> float:
    freedom = max(float((known.count - 1).clip(0).sum()), 1.0)
    return max(float(known.square.sum()) / freedom, LEAST_VARIANCE)
