"""gbstats and spotify-confidence beside ours: their critical values at each look, and the same numbers where they
compute the same. Needs the packages of `benchmarks/peers/experiments.txt`."""

from functools import lru_cache

import numpy as np
import pandas as pd
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
from gbstats.models.statistics import (
    ProportionStatistic,
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)
from gbstats.utils import check_srm
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from spotify_confidence import StudentsTTest, ZTest
from spotify_confidence.analysis.frequentist.confidence_computers.z_test_computer import sequential_bounds

from experiments.stats.inference import (
    Estimate,
    Moments,
    adjusted_p_values,
    cuped_difference,
    difference_of_means,
    difference_of_proportions,
    ratio_of_sums,
)
from experiments.stats.inference.bayesian import posterior_of
from experiments.stats.inference.boundaries import crossing_probabilities, spending_bounds
from experiments.stats.inference.confidence_sequence import DEFAULT_TUNING_N, sequence_interval, sequence_p_value
from experiments.stats.inference.srm import chi_square_p_value

Floats = NDArray[np.float64]
CLOSE = 1e-6


@lru_cache(maxsize=4)
def critical_values(looks: int, per_look: int, alpha: float) -> list[tuple[str, Floats]]:
    """Return how many standard errors the peers' sequential intervals reach at each look, as their own code says."""
    shares = np.arange(1, looks + 1) / looks
    rows = [
        (
            f"gbstats sequential, tuned for {tuning:,.0f}",
            np.array([_gbstats_reach(per_look * k, tuning, alpha) for k in range(1, looks + 1)]),
        )
        for tuning in (DEFAULT_TUNING_N, looks * per_look)
    ]
    spotify = np.asarray(sequential_bounds(shares, alpha, 2).bounds, dtype=float)
    return [*rows, ("spotify-confidence, t²", spotify)]


def _gbstats_reach(n: int, tuning: float, alpha: float) -> float:
    arm = SampleMeanStatistic(n=n, sum=2.0 * n, sum_squares=5.0 * n)
    config = SequentialConfig(alpha=alpha, difference_type="absolute", sequential_tuning_parameter=tuning)
    test = SequentialTwoSidedTTest(arm, arm, config)
    low, high = test.confidence_interval
    return float((high - low) / 2 / np.sqrt(test.variance))


def compare(console: Console) -> bool:
    """Print the largest difference of each quantity; tell whether all are within 1e-6."""
    table = Table(title="Largest difference from the peers")
    for column in ("quantity", "peer", "difference"):
        table.add_column(column)
    good = True
    for quantity, peer, difference in [*_gbstats_rows(), *_spotify_rows()]:
        good &= difference < CLOSE
        table.add_row(quantity, peer, f"{difference:.1e}")
    console.print(table)
    console.print(_spotify_bounds_table())
    return good


def _sample() -> tuple[list[Moments], list[Moments]]:
    rng = np.random.default_rng(7)
    before = [rng.gamma(2, 5, n) for n in (900, 1100)]
    after = [0.7 * x + rng.gamma(2, 4, len(x)) + 0.8 * arm for arm, x in enumerate(before)]
    shares = [Moments.of_conversions(1000, 100), Moments.of_conversions(1200, 150)]
    return [Moments.of(y, x) for y, x in zip(after, before, strict=True)], shares


def _gbstats_rows() -> list[tuple[str, str, float]]:
    means, shares = _sample()
    plain = [SampleMeanStatistic(n=m.n, sum=m.sum_y, sum_squares=m.sum_y2) for m in means]
    second = [SampleMeanStatistic(n=m.n, sum=m.sum_x, sum_squares=m.sum_x2) for m in means]
    ratios = [
        RatioStatistic(n=m.n, m_statistic=y, d_statistic=x, m_d_sum_of_products=m.sum_xy)
        for m, y, x in zip(means, plain, second, strict=True)
    ]
    adjusted = [
        RegressionAdjustedStatistic(
            n=m.n, post_statistic=y, pre_statistic=x, post_pre_sum_of_products=m.sum_xy, theta=0
        )
        for m, y, x in zip(means, plain, second, strict=True)
    ]
    theta = compute_theta(*adjusted)
    for arm in adjusted:
        arm.theta = theta
    ones = [ProportionStatistic(n=m.n, sum=m.sum_y) for m in shares]
    rows = []
    for name, arms, estimator, statistics in (
        ("means", means, difference_of_means, plain),
        ("ratios", means, ratio_of_sums, ratios),
        ("CUPED", means, cuped_difference, adjusted),
        ("shares", shares, difference_of_proportions, ones),
    ):
        for kind in ("absolute", "relative"):
            estimate = estimator(*arms, relative=kind == "relative")
            rows += [
                (f"{name}, {kind}: {what}", "gbstats", difference)
                for what, difference in _against_gbstats(estimate, statistics, kind)
            ]
    counts, weights = [1000, 1100], [0.5, 0.5]
    return [*rows, ("SRM chi-square", "gbstats", abs(check_srm(counts, weights) - chi_square_p_value(counts, weights)))]


def _against_gbstats(estimate: Estimate, arms: list, kind: str) -> list[tuple[str, float]]:
    fixed = TwoSidedTTest(*arms, FrequentistConfig(difference_type=kind)).compute_result()
    sequential = SequentialTwoSidedTTest(*arms, SequentialConfig(difference_type=kind)).compute_result()
    prior = GaussianPrior(mean=0.1, variance=0.09, proper=True)
    config = EffectBayesianConfig(difference_type=kind, prior_type=kind, prior_effect=prior)
    bayesian = EffectBayesianABTest(*arms, config).compute_result()
    progress = estimate.n / DEFAULT_TUNING_N
    posterior = posterior_of(estimate.effect, estimate.standard_error, prior_mean=0.1, prior_sd=0.3)
    ours = {
        "t-test": (estimate.effect, estimate.p_value(), *estimate.interval()),
        "confidence sequence": (
            sequence_p_value(estimate.effect / estimate.standard_error, progress, 0.05),
            *sequence_interval(estimate.effect, estimate.standard_error, progress, 0.05),
        ),
        "posterior": (
            posterior.probability_to_beat,
            posterior.expected_loss_of_control,
            posterior.expected_loss,
            *posterior.interval(),
        ),
    }
    theirs = {
        "t-test": (fixed.expected, fixed.p_value, *fixed.ci),
        "confidence sequence": (sequential.p_value, *sequential.ci),
        "posterior": (bayesian.chance_to_win, *bayesian.risk, *bayesian.ci),
    }
    return [(what, float(np.max(np.abs(np.subtract(ours[what], theirs[what]))))) for what in ours]


def _spotify_rows() -> list[tuple[str, str, float]]:
    means, shares = _sample()
    rows = []
    for name, arms, test, estimate in (
        ("means, z", means, ZTest, difference_of_means(*means, small_sample=False)),
        ("means, Welch's t", means, StudentsTTest, difference_of_means(*means)),
        ("shares, z", shares, ZTest, difference_of_proportions(*shares, small_sample=False)),
    ):
        frame = pd.DataFrame(
            {
                "arm": ["control", "treatment"],
                "n": [arm.n for arm in arms],
                "y": [arm.sum_y for arm in arms],
                "y2": [arm.sum_y2 for arm in arms],
            }
        )
        row = (
            test(
                frame,
                numerator_column="y",
                numerator_sum_squares_column="y2",
                denominator_column="n",
                categorical_group_columns="arm",
            )
            .difference("control", "treatment")
            .iloc[0]
        )
        theirs = [row["difference"], row["p-value"], row["ci_lower"], row["ci_upper"]]
        ours = [estimate.effect, estimate.p_value(), *estimate.interval()]
        rows.append((name, "spotify-confidence", float(np.max(np.abs(np.subtract(ours, theirs))))))
    return [*rows, *_statsmodels_rows()]


def _statsmodels_rows() -> list[tuple[str, str, float]]:
    """Compare corrections with statsmodels, which spotify-confidence uses."""
    from statsmodels.stats.multitest import multipletests

    p_values = np.array([0.001, 0.04, 0.012, 0.2, 0.03, 0.9])
    names = {"bonferroni": "bonferroni", "holm": "holm", "benjamini_hochberg": "fdr_bh"}
    return [
        (
            name,
            "statsmodels",
            float(np.max(np.abs(adjusted_p_values(p_values, name) - multipletests(p_values, method=theirs)[1]))),
        )
        for name, theirs in names.items()
    ]


def _spotify_bounds_table() -> Table:
    """Compare bounds of t². Theirs is searched to 1e-7 in error on a trapezoid grid of 0.05, so digits are lost."""
    table = Table(title="Bounds of t² spending, two-sided 5 %: error used up, by exact integration")
    for column in ("looks", "largest difference", "ours", "spotify-confidence"):
        table.add_column(column)
    for looks in (1, 3, 5, 10, 28):
        shares = np.arange(1, looks + 1) / looks
        ours = spending_bounds(shares, alpha=0.05, family="power", parameter=2)
        theirs = np.asarray(sequential_bounds(shares, 0.05, 2).bounds, dtype=float)
        used = [2 * crossing_probabilities(shares, bounds)[0].sum() for bounds in (ours, theirs)]
        table.add_row(str(looks), f"{np.max(np.abs(ours - theirs)):.1e}", *(f"{share:.7f}" for share in used))
    return table
