"""What is believed of demand before the sales are seen."""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from ..pricing_arrays import Floats

Likelihood = Literal["lognormal", "poisson", "negative_binomial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Hold what is believed of one coefficient.

    Args:
        mean, sd: of the whole shop's coefficient, normal.
        spread: median of the standard deviation between the nodes of a level; lognormal, learned from the data.
        spread_log_sd: standard deviation of its logarithm; 0 keeps the spread as it is given.
    """

    mean: float = 0.0
    sd: float = 1.0
    spread: float = 0.3
    spread_log_sd: float = 0.5

    def __post_init__(self) -> None:
        if not (self.sd > 0 and self.spread > 0 and self.spread_log_sd >= 0):
            raise ValueError(
                f"an effect's sd and spread must be above 0, spread_log_sd at least 0: got sd={self.sd}, "
                f"spread={self.spread}, spread_log_sd={self.spread_log_sd}"
            )


USUAL_EFFECTS: Final = {
    "log_price": Effect(mean=-1.5, sd=0.5, spread=0.5),
    "promotion": Effect(mean=0.3, sd=0.5, spread=0.3),
    "season": Effect(mean=1.0, sd=0.3, spread=0.4),
    "holiday": Effect(mean=0.0, sd=0.5, spread=0.3),
    "trend": Effect(mean=0.0, sd=0.5, spread=0.4),
    "competitor_log_price": Effect(mean=0.3, sd=0.3, spread=0.2),
}
"""Of ln units, a unit of the feature each: an elasticity, a week on promotion, the shop's season, a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyConfig:
    """Hold the priors and the likelihood of a hierarchical fit.

    Args:
        effects: by feature name; a feature that is not among them gets ``other``.
        other: of features without an effect of their own.
        likelihood: of ln units (`lognormal`), or of units, which may be 0 (`poisson`, `negative_binomial`).
        intercept_sd: of a series' level around its mean; wide, not learned.
        learn_from: series that the spreads are learned from, drawn at random; all where there are fewer.
        rounds: times that spreads and noise are learned in turn.
        seed: of the draw.
    """

    effects: dict[str, Effect] = field(default_factory=lambda: dict(USUAL_EFFECTS))
    other: Effect = Effect()
    likelihood: Likelihood = "lognormal"
    intercept_sd: float = 5.0
    learn_from: int = 4_000
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.likelihood not in ("lognormal", "poisson", "negative_binomial"):
            raise ValueError(f"likelihood: got {self.likelihood!r}; give 'lognormal', 'poisson' or 'negative_binomial'")
        if self.learn_from < 1 or self.rounds < 1 or self.intercept_sd <= 0:
            raise ValueError("learn_from and rounds must be at least 1, intercept_sd above 0")

    def effects_of(self, names: tuple[str, ...]) -> "Beliefs":
        """Return the beliefs about an intercept and these features as arrays."""
        of_each = [self.effects.get(name, self.other) for name in names]
        return Beliefs(
            mean=np.array([0.0, *(effect.mean for effect in of_each)]),
            variance=np.array([INTERCEPT_VARIANCE, *(effect.sd**2 for effect in of_each)]),
            log_spread=np.log([1.0, *(effect.spread for effect in of_each)]),
            spread_log_sd=np.array([0.0, *(effect.spread_log_sd for effect in of_each)]),
        )


INTERCEPT_VARIANCE: Final = 1e-6
"""Of levels above the series: a series' level is its own, around its mean."""


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Hold beliefs about k coefficients, the first of which is the intercept; (k,) float64 each."""

    mean: Floats
    variance: Floats
    log_spread: Floats
    spread_log_sd: Floats
