"""What a hierarchical fit found."""

from dataclasses import dataclass

from scipy import stats

from ..pricing_arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEstimates:
    """Hold the posterior of the coefficients of a level's nodes, (node, k) float64 each."""

    mean: Floats
    sd: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalFit:
    """Hold the posterior of every coefficient of every series, and of what they have in common.

    Args:
        names: the k coefficients, the first of which is `level`: ln units where all features are 0.
        mean, sd: (series, k) float64.
        groups: of categories, departments and so on, narrow to wide.
        shop: of the whole shop, one node.
        spread: (level, k) float64, standard deviation of nodes around their parents, narrow to wide, the series first.
        noise_sd: (series,) float64, of ln units of a week; of counts: NaN.
        dispersion: of negative-binomial counts, whose variance is μ + dispersion·μ²; 0 for others.
        learned_from: how many series the spreads were learned from.
    """

    names: tuple[str, ...]
    mean: Floats
    sd: Floats
    groups: tuple[LevelEstimates, ...]
    shop: LevelEstimates
    spread: Floats
    noise_sd: Floats
    dispersion: float
    learned_from: int

    def __len__(self) -> int:
        return len(self.mean)

    def coefficient(self, name: str) -> int:
        """Return the column of a coefficient.

        Raises:
            ValueError: no such coefficient; the message names those that there are.
        """
        if name not in self.names:
            raise ValueError(f"no coefficient {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def interval(self, name: str, probability: float = 0.9) -> tuple[Floats, Floats]:
        """Return the ends of the central interval of a coefficient, (series,) each."""
        column = self.coefficient(name)
        reach = stats.norm.ppf(0.5 + probability / 2) * self.sd[:, column]
        return self.mean[:, column] - reach, self.mean[:, column] + reach
