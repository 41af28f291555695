"""Bayesian reading of an effect: normal prior, normal likelihood."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from experiments.stats.inference.estimate import plain

VAGUE = 1e100
"""Standard error of an estimate that is not known: the posterior is then the prior."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Hold the normal posterior of the effect, with what a decision needs.

    Args:
        mean, sd: of the effect.
        probability_to_beat: that the effect is in the better direction.
        expected_loss: what choosing the treatment is expected to cost where it is worse, in the effect's unit.
        expected_loss_of_control: the same for staying with control.
    """

    mean: Any
    sd: Any
    probability_to_beat: Any
    expected_loss: Any
    expected_loss_of_control: Any

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """Central credible interval. Not an error rate: peeking and stopping on it raises false positives."""
        half = ndtri((1 + level) / 2) * self.sd
        return self.mean - half, self.mean + half


def posterior_of(
    effect: Any,
    standard_error: Any,
    *,
    prior_mean: float = 0.0,
    prior_sd: float = np.inf,
    higher_is_better: bool = True,
) -> Posterior:
    """Combine an estimate with a normal prior; a prior of infinite standard deviation is flat, as gbstats' default.

    With weights 1/prior_sd² and 1/standard_error² the mean is the weighted mean. E[(−δ)⁺] = sd·φ(m/sd) − m·Φ(−m/sd).

    Raises:
        ValueError: where prior_sd is not above 0.

    Source: Gelman et al. (2013), ch. 2; Stucchio (2015), Bayesian A/B Testing at VWO (expected loss).
    """
    if not prior_sd > 0:
        raise ValueError(f"prior_sd: got {prior_sd}; give how far effects usually are from {prior_mean}, > 0")
    error = np.clip(np.nan_to_num(np.asarray(standard_error, dtype=float), nan=VAGUE), 1 / VAGUE, VAGUE)
    prior_precision, precision = prior_sd**-2.0, error**-2.0
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.maximum(prior_precision + precision, 1e-300)
        mean = (prior_precision * prior_mean + precision * np.asarray(effect, dtype=float)) / total
        sd = total**-0.5
    gain = mean if higher_is_better else -mean
    z = gain / sd
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    loss = np.maximum(sd * density - gain * ndtr(-z), 0.0)
    return Posterior(*(plain(v) for v in (mean, sd, ndtr(z), loss, loss + gain)))
