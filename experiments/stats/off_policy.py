"""What another policy would have earned, from decisions that were drawn with known probabilities."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

LEAST_EFFECTIVE: Final = 100.0
"""Below so many effective decisions an interval by the normal distribution is not to be trusted."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold an expected reward a decision with its confidence interval, in the reward's unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OffPolicyResult:
    """Hold what a period of logged decisions says about a target policy.

    Args:
        ips: inverse propensity scoring; unbiased.
        snips: self-normalised; less noisy, biased by 1/n.
        doubly_robust: right where either the propensities or the reward model are.
        logged: what was earned a decision.
        decisions: how many.
        effective_decisions: (Σw)²/Σw², how many on-policy decisions these are worth.
        largest_weight: the largest ratio of target to logged probability.
    """

    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    logged: Estimate
    decisions: int
    effective_decisions: float
    largest_weight: float

    @property
    def has_overlap(self) -> bool:
        """Tell whether the log holds enough of what the target would have done."""
        return self.effective_decisions >= LEAST_EFFECTIVE


@dataclass
class OffPolicySums:
    """Add up logged decisions in any number of batches; the result does not depend on how they are cut.

    With w = π(a|x)/p(a|x), reward r, model q(x, a), and d = Σ_a π(a|x)·q(x, a):

        IPS = mean(w·r)    SNIPS = Σw·r/Σw    DR = mean(d + w·(r − q))

    The interval is value ± z·√(mean of squared influence/n), the influence being w·r − IPS, w·(r − SNIPS)/mean(w) and
    d + w·(r − q) − DR.

    Source: Dudík, Erhan, Langford, Li (2014), Doubly Robust Policy Evaluation and Optimization; Swaminathan, Joachims
    (2015), The Self-Normalized Estimator; Hájek (1971).
    """

    count: float = 0.0
    largest_weight: float = 0.0
    sums: Floats = field(default_factory=lambda: np.zeros(9))

    def add(
        self, *, reward: Floats, propensity: Floats, target: Floats, modelled: Floats, direct: Floats, number: Floats
    ) -> None:
        """Add decisions; alike ones may be one row.

        Args:
            reward: (row,) what the decision brought.
            propensity: (row,) probability p with which its arm was drawn, > 0.
            target: (row,) probability π with which the target policy draws that arm, ≥ 0.
            modelled: (row,) the model's reward q of that arm, learned from other decisions.
            direct: (row,) d, the model's reward of the target policy there.
            number: (row,) how many decisions the row stands for, ≥ 0.

        Raises:
            ValueError: shapes differ, or a probability is outside its domain; the message says which.
        """
        columns = {
            "reward": reward, "propensity": propensity, "target": target, "modelled": modelled, "direct": direct,
            "number": number,
        }  # fmt: skip
        for name, column in columns.items():
            if column.shape != reward.shape:
                raise ValueError(f"{name} has shape {column.shape}, reward {reward.shape}: give one number a decision")
        if not ((propensity > 0) & (propensity <= 1)).all():
            raise ValueError("propensity must be above 0 and at most 1: keep the probability that was drawn with")
        if not ((target >= 0) & (target <= 1 + 1e-9)).all():
            raise ValueError("target must be a probability from 0 to 1")
        weight = target / propensity
        gain = weight * reward
        robust = direct + weight * (reward - modelled)
        terms = (weight, weight**2, gain, gain**2, weight * gain, robust, robust**2, reward, reward**2)
        self.sums += [float(number @ term) for term in terms]
        self.count += float(number.sum())
        if len(weight):
            self.largest_weight = max(self.largest_weight, float(weight[number > 0].max(initial=0.0)))

    def result(self, *, confidence: float = 0.95) -> OffPolicyResult:
        """Return the estimates.

        Args:
            confidence: of the two-sided intervals, between 0 and 1.

        Raises:
            ValueError: no decision was added, or the target would have drawn none of them.
        """
        n = self.count
        weight, weight2, gain, gain2, weight_gain, robust, robust2, reward, reward2 = self.sums
        if n <= 0:
            raise ValueError("there is no decision to evaluate from: choose a longer period")
        if weight <= 0:
            raise ValueError("the target policy would have drawn none of the logged arms: nothing can be said about it")
        z = float(ndtri((1 + confidence) / 2))
        ratio = gain / weight
        spread = max(0.0, gain2 - 2 * ratio * weight_gain + ratio**2 * weight2) / weight**2
        return OffPolicyResult(
            ips=_mean(gain, gain2, n, z),
            snips=Estimate(ratio, ratio - z * spread**0.5, ratio + z * spread**0.5),
            doubly_robust=_mean(robust, robust2, n, z),
            logged=_mean(reward, reward2, n, z),
            decisions=round(n),
            effective_decisions=weight**2 / weight2,
            largest_weight=self.largest_weight,
        )


def _mean(total: float, squares: float, n: float, z: float) -> Estimate:
    mean = total / n
    error = z * (max(0.0, squares / n - mean**2) / max(n - 1, 1.0)) ** 0.5
    return Estimate(float(mean), float(mean - error), float(mean + error))
