"""How long a test must run, from the shop's own history: what varies between units, from day to day, and together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from experiments.stats.designs.hashing import Floats

LONGEST_DAYS = 366
MOST_CORRELATED = 0.98
CORRECTIONS = 25
"""Rounds in which what a mean takes from its own days is put back; the next ones change no third digit."""


@dataclass(frozen=True, slots=True)
class History:
    """Hold how a metric varied, per unit and day.

    Args:
        mean: of all units and days, in the metric's unit.
        between: variance of units' long-run means.
        within: variance of a unit's day around its own mean, mean over units.
        lasting: w, share of it that lasts from day to day; the rest is a day's own chance.
        day_correlation: ρ, of the lasting part's one day with the next: w·ρᵏ of days k apart.
        cluster_correlation: share of the variance between units that lies between clusters, 0 to 1.
        units: how many there are.
        days: how many were looked at.
    """

    mean: float
    between: float
    within: float
    lasting: float
    day_correlation: float
    cluster_correlation: float
    units: int
    days: int

    def mean_variance(self, days: float) -> float:
        """Return the variance of a unit's mean over so many days: between + within · inflation / days."""
        return self.between + self.within * _mean_of_days(self.lasting, self.day_correlation, days)

    def residual_variance(self, days: float, covariate_days: float) -> float:
        """Return what is left of it after CUPED or matching by the mean of the days before: V_H · (1 − ρ²)."""
        total = self.mean_variance(days)
        if covariate_days <= 0 or total <= 0:
            return total
        before = self.mean_variance(covariate_days)
        return total - self.between**2 / before if before > 0 else total

    def cuped_correlation(self, days: float, covariate_days: float) -> float:
        """Return the correlation of a unit's mean with its mean before the start."""
        total = self.mean_variance(days)
        return float(np.sqrt(1 - self.residual_variance(days, covariate_days) / total)) if total > 0 else 0.0


def history_of(panel: ArrayLike, clusters: ArrayLike | None = None) -> History:
    """Estimate how a metric varies from a table of units and days.

        γ_k = mean of products of days k apart, around each unit's mean; plus the variance of that mean, which
        subtracting it takes away; ρ = (γ₂ + γ₃)/(γ₁ + γ₂), w = γ₁/(ρ·γ₀), within = γ₀;
        between = variance of the units' means less the variance of a mean of so many days, not below 0;
        ICC by one-way analysis of variance of the units' means.

    Args:
        panel: (unit, day) float64, finite, 0 where nothing was sold: two units and eight days or more.
        clusters: (unit,) int, such as the category; none unless given.

    Raises:
        ValueError: a table too small, or not finite.

    Source: Searle, Casella & McCulloch (1992), section 3.6, for the analysis of variance.
    """
    table = np.asarray(panel, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 8 or not np.isfinite(table).all():
        raise ValueError(f"panel: got an array of shape {table.shape}; give 2 units and 8 days or more, all finite")
    means = table.mean(axis=1)
    # What all units share, a weekday or a season, moves both arms alike and is no noise of the comparison.
    common = table.mean(axis=0) / table.mean() if table.mean() > 0 else np.ones(table.shape[1])
    within, lasting, rho = _day_to_day(table - means[:, None] * common)
    own = within * _mean_of_days(lasting, rho, table.shape[1])
    between = max(float(means.var(ddof=1)) - own, 0.0)
    icc = 0.0 if clusters is None else _intraclass(means, np.asarray(clusters))
    return History(float(means.mean()), between, within, lasting, rho, icc, len(table), table.shape[1])


def _day_to_day(noise: Floats) -> tuple[float, float, float]:
    """Return the variance of a day, the share of it that lasts, and its correlation from one day to the next."""
    days = noise.shape[1]
    seen = [float((noise[:, : days - lag] * noise[:, lag:]).mean()) for lag in range(4)]
    taken, lasting, rho = 0.0, 0.0, 0.0
    for _ in range(CORRECTIONS):
        none, one, two, three = (each + taken for each in seen)
        if none <= 0 or one <= 0 or one + two <= 0:
            return max(none, 0.0), 0.0, 0.0
        rho = float(np.clip((two + three) / (one + two), 0.0, MOST_CORRELATED))
        lasting = min(one / (rho * none), 1.0) if rho > 0 else 0.0
        taken = none * _mean_of_days(lasting, rho, days)
    return none, lasting, rho


@dataclass(frozen=True, slots=True)
class Precision:
    """Hold what a test of so many days finds.

    Args:
        power: chance to find the smallest effect worth finding.
        detectable_effect: relative effect found with the wanted power.
        days: of the test.
    """

    power: float
    detectable_effect: float
    days: int


@dataclass(frozen=True, slots=True)
class Question:
    """Hold what is asked of a test.

    Args:
        effect: relative to the control's mean, > 0.
        alpha: two-sided, 0 to 0.5.
        power: wanted chance to find the effect.
        inflation: how many times more units repeated looks cost, >= 1.
    """

    effect: float
    alpha: float
    power: float
    inflation: float = 1.0

    def __post_init__(self) -> None:
        if not (self.effect > 0 and 0 < self.alpha <= 0.5 and 0 < self.power < 1 and self.inflation >= 1):
            raise ValueError(
                f"question: got {self}; give an effect above 0, alpha and power below 1, inflation 1 or more"
            )


def unit_error(
    history: History,
    *,
    control: float,
    treatment: float,
    covariate_days: float,
    design_effect: float = 1.0,
) -> Callable[[float], float]:
    """Return the relative standard error by days, of a design whose units keep one arm.

        SE²(H) = V_H · (1 − ρ²) · design effect · (1/n_C + 1/n_T) / mean²

    Args:
        control, treatment: units in each of the two arms, > 0.
        covariate_days: days before the start that CUPED or pairs use; 0: none.
        design_effect: of clusters, see `cluster_design_effect`.

    Raises:
        ValueError: an arm without units, or a metric that was never above 0.
    """
    if control <= 0 or treatment <= 0:
        raise ValueError(f"treatment: got {treatment:g} units beside {control:g}; give both arms some")
    if history.mean <= 0:
        raise ValueError("history: got a metric that was never above 0; give days with sales")

    def error(days: float) -> float:
        variance = history.residual_variance(days, covariate_days) * design_effect
        return float(np.sqrt(variance * (1 / control + 1 / treatment)) / history.mean)

    return error


def slot_error(
    daily_totals: ArrayLike, *, slots_a_day: float, counted: float, share: float
) -> Callable[[float], float]:
    """Return the relative standard error by days of a switchback, whose units are slots of all sales together.

    The relative variance of a day, less what its weekday explains, is spread over its slots as independent ones would
    have it; the wash-out's part is lost.

    Args:
        daily_totals: (day,) float64, the metric of all units, 14 days or more.
        slots_a_day: > 0.
        counted: share of a slot that is left after the wash-out, 0 to 1.
        share: treatment's share of the slots, 0 to 1.

    Raises:
        ValueError: fewer than 14 days, or none with sales.
    """
    totals = np.asarray(daily_totals, dtype=np.float64)
    if len(totals) < 14 or totals.mean() <= 0:
        raise ValueError(f"daily_totals: got {len(totals)} days; give 14 or more, with sales")
    weekday = np.arange(len(totals)) % 7
    means = np.array([totals[weekday == day].mean() for day in range(7)])
    left = totals - means[weekday]
    variance = float((left**2).sum() / (len(totals) - 7)) / float(totals.mean()) ** 2
    day_to_day = float(np.clip(np.corrcoef(left[1:], left[:-1])[0, 1], 0, 0.95)) if left.std() > 0 else 0.0

    def error(days: float) -> float:
        slots = days * slots_a_day
        a_slot = variance * slots_a_day / counted * max(1 - day_to_day, 0.05)
        return float(np.sqrt(a_slot / slots * (1 / share + 1 / (1 - share))))

    return error


def precision(error: Callable[[float], float], question: Question, days: int) -> Precision:
    """Return the power and the smallest effect found of a test of so many days."""
    z_alpha, z_power = stats.norm.isf(question.alpha / 2), stats.norm.ppf(question.power)
    size = error(days) * np.sqrt(question.inflation)
    power = stats.norm.cdf(question.effect / size - z_alpha) if size > 0 else 1.0
    return Precision(float(power), float((z_alpha + z_power) * size), days)


def days_needed(error: Callable[[float], float], question: Question, *, longest: int = LONGEST_DAYS) -> int | None:
    """Return the fewest days, in whole weeks, that find the effect with the wanted power; None: not in a year."""
    for days in range(7, longest + 1, 7):
        if precision(error, question, days).power >= question.power:
            return days
    return None


def cluster_design_effect(sizes: ArrayLike, correlation: float) -> float:
    """Return how many times more units whole clusters need: 1 + ((1 + cv²)·m − 1)·ICC (Kish 1965; Eldridge 2006).

    Args:
        sizes: (cluster,) units in each.
        correlation: ICC, 0 to 1.
    """
    size = np.asarray(sizes, dtype=np.float64)
    if not len(size) or size.min() <= 0 or not 0 <= correlation <= 1:
        raise ValueError(
            f"sizes: got {len(size)} clusters, ICC {correlation:g}; give sizes above 0 and an ICC of 0 to 1"
        )
    return float(1 + ((1 + size.var() / size.mean() ** 2) * size.mean() - 1) * correlation)


def _mean_of_days(lasting: float, rho: float, days: float) -> float:
    """Return the variance of the mean of ``days`` days of variance 1, of which a share w is an AR(1).

    (1/H)·[1 − w + w·((1 + ρ)/(1 − ρ) − 2ρ(1 − ρ^H)/(H(1 − ρ)²))]
    """
    autoregressive = (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**days) / (days * (1 - rho) ** 2)
    return float((1 - lasting + lasting * autoregressive) / days)


def _intraclass(means: Floats, clusters: ArrayLike) -> float:
    _, index, size = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    groups, n = len(size), len(means)
    if groups < 2 or n <= groups:
        return 0.0
    averages = np.bincount(index, weights=means) / size
    between = float((size * (averages - means.mean()) ** 2).sum()) / (groups - 1)
    within = float(((means - averages[index]) ** 2).sum()) / (n - groups)
    typical = (n - float((size**2).sum()) / n) / (groups - 1)
    variance = (between - within) / typical
    return float(np.clip(variance / (variance + within), 0, 1)) if variance + within > 0 else 0.0
