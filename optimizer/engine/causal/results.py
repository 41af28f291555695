"""What a causal estimate is, and how it becomes a belief."""

from dataclasses import dataclass

from scipy import stats

from ..hierarchy import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Overidentification:
    """Hold a test of whether the instruments say the same: Hansen's J, robust to clusters."""

    statistic: float
    freedom: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalEstimate:
    """Hold an elasticity with what has to be known to trust it.

    Args:
        method: `two-stage least squares`, `fixed effects` or `double machine learning`.
        elasticity, sd: the estimate and its standard error, robust to clusters.
        interval: (low, high), of the probability asked for, by the normal law.
        rows, clusters: what it rests on.
        effective_f: of the first stage; None without instruments.
        robust_intervals: Anderson–Rubin, which hold however weak the instruments are; may be unbounded, or empty.
        overidentification: None with one instrument or none.
        warnings: what speaks against it, in words; empty where nothing does.
    """

    method: str
    elasticity: float
    sd: float
    interval: tuple[float, float]
    rows: int
    clusters: int
    effective_f: float | None = None
    robust_intervals: tuple[tuple[float, float], ...] | None = None
    overidentification: Overidentification | None = None
    warnings: tuple[str, ...] = ()

    def as_effect(self, *, spread: float = 0.5) -> Effect:
        """Return it as the belief about the shop's elasticity, for `optimizer.engine.hierarchy`.

        Raises:
            ValueError: the instruments are weak: what they say is no belief.
        """
        if self.warnings:
            raise ValueError(f"this estimate is no belief to begin with: {'; '.join(self.warnings)}")
        return Effect(mean=self.elasticity, sd=self.sd, spread=spread)


def normal_interval(elasticity: float, sd: float, probability: float) -> tuple[float, float]:
    """Return the ends of the central interval of a normal law."""
    reach = float(stats.norm.ppf(0.5 + probability / 2)) * sd
    return elasticity - reach, elasticity + reach
