"""Calibration of the experiment statistics by simulation: false positives, power, share of the sample used.

10,000 tests of 100 looks each, nominal 5 %, two-sided: conversion, and revenue with 97 % zeros and log-normal or Pareto
amounts. Then CUPED, SRM, SKU-randomised and switchback tests of nothing, and the time of a read-out of 100 M exposures.
Run ``OMP_NUM_THREADS=1 python -m benchmarks.experiment_calibration``; ``--runs 500`` for a glance. With the packages of
`benchmarks/peers/experiments.txt` gbstats and spotify-confidence stand beside, and must give the same numbers where
they compute the same.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from scipy.signal import lfilter

from benchmarks.experiment_worlds import WORLDS, World, spending_before_and_after
from experiments.stats.inference import AnalysisPlan, Look, Moments, SwitchbackSlots, analyse
from experiments.stats.inference.boundaries import spending_bounds
from experiments.stats.inference.confidence_sequence import sequence_multiplier
from experiments.stats.inference.estimate import Estimate
from experiments.stats.inference.estimates import cuped_difference, difference_of_means, ratio_of_sums
from experiments.stats.inference.msprt import mixture_half_width
from experiments.stats.inference.srm import SRM_ALPHA, chi_square_p_value, log_e_values
from experiments.stats.inference.switchback import switchback_difference

Floats = NDArray[np.float64]
ALPHA, LOOKS, PER_LOOK, AT_ONCE = 0.05, 100, 400, 2000
POWER_DRIFT = float(stats.norm.isf(ALPHA / 2) + stats.norm.ppf(0.8))
HIGHEST_FALSE_POSITIVES = 0.055
NOT_VALID = ("fixed t-test, peeked daily", "Bayesian, flat prior, peeked daily")


def bounds_by_method(estimate: Estimate, planned: float, usual_effect: float) -> Iterator[tuple[str, Floats]]:
    """Yield each method with its critical |z| at each look: (look,) or (run, look)."""
    shares = np.arange(1, LOOKS + 1) / LOOKS
    never = np.full(LOOKS, np.inf)
    fixed = float(stats.norm.isf(ALPHA / 2))
    yield "fixed t-test, one look", np.r_[never[1:], fixed]
    yield "fixed t-test, peeked daily", np.full(LOOKS, fixed)
    yield "Bayesian, flat prior, peeked daily", np.full(LOOKS, fixed)
    yield "Lan–DeMets O'Brien–Fleming", spending_bounds(shares, alpha=ALPHA)
    yield "power-family spending t³", spending_bounds(shares, alpha=ALPHA, family="power")
    yield "Hwang–Shih–DeCani, γ = −4", spending_bounds(shares, alpha=ALPHA, family="hwang_shih_decani")
    yield "Lan–DeMets Pocock", spending_bounds(shares, alpha=ALPHA, family="pocock")
    n = np.asarray(estimate.n)
    sequence = np.asarray(sequence_multiplier(n / (planned / 2), ALPHA))
    yield "asymptotic confidence sequence", sequence
    error = np.asarray(estimate.standard_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        yield "mSPRT, τ the planned effect", np.asarray(mixture_half_width(error, usual_effect, ALPHA)) / error
    half = np.asarray(sequence_multiplier(n / (planned / 2), ALPHA / 2)).copy()
    half[..., -1] = np.minimum(half[..., -1], stats.norm.isf(ALPHA / 4))
    yield "half sequence, half final test", half


def stopping(z: Floats, bounds: Floats) -> tuple[float, float]:
    """Return the share of runs that ever cross, and the mean share of the sample used."""
    crossed = np.abs(z) >= bounds
    ever = crossed.any(1)
    used = np.where(ever, crossed.argmax(1) + 1, LOOKS) / LOOKS
    return float(ever.mean()), float(used.mean())


def simulate(world: World, runs: int, rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
    """Return false positives, power, share of the sample used, by method."""
    null, lifted = (crossings(world, runs, rng, drift) for drift in (0.0, POWER_DRIFT))
    return {name: (null[name][0], *lifted[name]) for name in null}


def crossings(world: World, runs: int, rng: np.random.Generator, drift: float) -> dict[str, tuple[float, float]]:
    """Return by method the share of runs that ever cross and the mean share of the sample used."""
    usual = world.effect_for(POWER_DRIFT, LOOKS * PER_LOOK)
    effect = world.effect_for(drift, LOOKS * PER_LOOK)
    found: dict[str, list[tuple[float, float]]] = {}
    batches = [min(AT_ONCE, runs - start) for start in range(0, runs, AT_ONCE)]
    for batch in batches:
        arms = world.arms(rng, batch, LOOKS, PER_LOOK, effect)
        estimate = difference_of_means(arms.control, arms.treatment)
        z = np.asarray(estimate.z)
        for name, bounds in [*bounds_by_method(estimate, 2.0 * LOOKS * PER_LOOK, usual), *peer_bounds()]:
            found.setdefault(name, []).append(stopping(z, bounds))
    return {name: tuple(np.average(rows, axis=0, weights=batches).tolist()) for name, rows in found.items()}


def peer_bounds() -> list[tuple[str, Floats]]:
    if not has_peers():
        return []
    from benchmarks.experiment_peers import critical_values

    return critical_values(LOOKS, PER_LOOK, ALPHA)


def has_peers() -> bool:
    return find_spec("gbstats") is not None and find_spec("spotify_confidence") is not None


def calibration_table(console: Console, runs: int, seed: int) -> bool:
    """Print the table; tell whether everything valid under peeking keeps its false positives."""
    good = True
    for index, world in enumerate(WORLDS):
        table = Table(title=f"{world.name}: {runs:,} runs, {LOOKS} looks, nominal 5 %")
        for column in ("method", "false positives", "power", "share of sample used"):
            table.add_column(column, justify="left" if column == "method" else "right")
        for name, (false, power, used) in simulate(world, runs, np.random.default_rng([seed, index])).items():
            if name in NOT_VALID:
                table.add_row(name, f"{false:.1%}", "–", "–")
                continue
            good &= false <= HIGHEST_FALSE_POSITIVES + 2.6 * np.sqrt(0.05 * 0.95 / runs) * (runs < 10_000)
            table.add_row(name, f"{false:.1%}", f"{power:.2f}", f"{used:.2f}")
        console.print(table)
    return good


def cuped_table(console: Console, runs: int, seed: int) -> bool:
    """Print power with and without CUPED at correlation 0.7, at the effect that half of the plain tests find."""
    looks, per_look = 20, 50
    shares = np.arange(1, looks + 1) / looks
    bounds = spending_bounds(shares, alpha=ALPHA)
    rows: dict[str, list[float]] = {"without": [], "CUPED": []}
    drift = float(stats.norm.isf(ALPHA / 2))
    for index, lift in enumerate((0.0, drift * np.sqrt(2 / (looks * per_look)))):
        arms = spending_before_and_after(np.random.default_rng([seed, 10, index]), runs, looks, per_look, lift)
        for name, estimator in (("without", difference_of_means), ("CUPED", cuped_difference)):
            z = np.asarray(estimator(arms.control, arms.treatment).z)
            rows[name].append(float((np.abs(z) >= bounds).any(1).mean()))
    table = Table(title=f"CUPED at correlation 0.7: {runs:,} runs, {looks} looks, O'Brien–Fleming")
    for column in ("", "false positives", "power"):
        table.add_column(column)
    for name, (false, power) in rows.items():
        table.add_row(name, f"{false:.1%}", f"{power:.2f}")
    console.print(table)
    return rows["CUPED"][1] - rows["without"][1] >= 0.25


def srm_table(console: Console, runs: int, seed: int) -> bool:
    """Print the false alarms of a daily check, and how soon 51 : 49 is found."""
    per_look, shares = 1000, np.array([0.5, 0.5])
    table = Table(title=f"SRM looked at {LOOKS} times: {runs:,} runs of {LOOKS * per_look:,} visitors")
    for column in ("check", "alarms at 50 : 50", "alarms at 51 : 49"):
        table.add_column(column)
    alarms: dict[str, list[float]] = {
        "chi-square at 5 %, daily": [],
        "Dirichlet–multinomial at 5 %": [],
        f"Dirichlet–multinomial at {SRM_ALPHA:.0%} (default)": [],
    }
    for index, share in enumerate((0.5, 0.51)):
        first = np.random.default_rng([seed, 20, index]).binomial(per_look, share, (runs, LOOKS)).cumsum(1)
        counts = np.stack([first, np.arange(1, LOOKS + 1) * per_look - first], -1)
        evidence = log_e_values(counts, shares).max(1)
        for name, alarm in zip(
            alarms,
            (
                (chi_square_p_value(counts, shares) < 0.05).any(1),
                evidence > -np.log(0.05),
                evidence > -np.log(SRM_ALPHA),
            ),
            strict=True,
        ):
            alarms[name].append(float(alarm.mean()))
    for name, row in alarms.items():
        table.add_row(name, *(f"{share:.1%}" for share in row))
    console.print(table)
    return alarms["Dirichlet–multinomial at 5 %"][0] <= HIGHEST_FALSE_POSITIVES


def sku_null(rng: np.random.Generator, runs: int, skus: int, visitors: int) -> tuple[float, float]:
    """Return false positives of a SKU-randomised test of nothing: by visitors, and by SKUs as clusters."""
    rate = np.clip(rng.beta(2, 40, (runs, skus)), 1e-4, 1)
    size = rng.negative_binomial(2, 2 / (2 + visitors), (runs, skus)) + 1
    sold = rng.binomial(size, rate)
    treated = rng.permuted(np.broadcast_to(np.arange(skus) % 2 == 1, (runs, skus)), axis=1)
    clustered = ratio_of_sums(*(_by_cluster(sold, size, arm) for arm in (~treated, treated)))
    naive = difference_of_means(
        *(Moments.of_conversions((size * arm).sum(1).astype(float), (sold * arm).sum(1)) for arm in (~treated, treated))
    )
    return float((naive.p_value() < ALPHA).mean()), float((clustered.p_value() < ALPHA).mean())


def _by_cluster(sold: NDArray[np.int64], size: NDArray[np.int64], arm: NDArray[np.bool_]) -> Moments:
    y, x = sold * arm.astype(float), size * arm.astype(float)
    return Moments(arm.sum(1).astype(float), y.sum(1), (y**2).sum(1), x.sum(1), (x**2).sum(1), (x * y).sum(1))


def switchback_null(rng: np.random.Generator, runs: int, days: int) -> tuple[float, float]:
    """Return false positives of a switchback of nothing: by slots as if independent, and by the estimator here."""
    slots, length = days * 24, 4
    naive = ours = 0
    for _ in range(runs):
        level = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], rng.normal(size=slots + 100))[100:]
        period = np.arange(slots) // length
        treated = rng.permutation(np.arange(slots // length) % 2 == 1)[period]
        outcome = 100 + 10 * level + 5 * np.sin(np.arange(slots) * 2 * np.pi / 24) + rng.normal(size=slots)
        naive += difference_of_means(Moments.of(outcome[~treated]), Moments.of(outcome[treated])).p_value() < ALPHA
        ours += switchback_difference(SwitchbackSlots(outcome, treated, period, washout=1)).p_value() < ALPHA
    return naive / runs, ours / runs


def cluster_table(console: Console, runs: int, seed: int) -> bool:
    table = Table(title="Tests of nothing, nominal 5 %: false positives")
    for column in ("design", "runs", "naive", "ours"):
        table.add_column(column)
    rows = []
    for skus, visitors in ((40, 50), (200, 100), (1000, 200)):
        rng = np.random.default_rng([seed, 30, skus])
        parts = [sku_null(rng, min(runs, 1000), skus, visitors) for _ in range(max(runs // 1000, 1))]
        rows.append((f"{skus} SKUs of {visitors} visitors", runs, *np.mean(parts, 0)))
    for days in (14, 28):
        few = max(runs // 5, 100)
        rows.append(
            (
                f"switchback, {days} days, 4-hour periods, 1 h wash-out",
                few,
                *switchback_null(np.random.default_rng([seed, 40, days]), few, days),
            )
        )
    good = True
    for name, number, naive, ours in rows:
        margin = 2.6 * np.sqrt(0.05 * 0.95 / number)
        good &= 0.04 - margin * (number < 10_000) <= ours <= 0.06 + margin * (number < 10_000)
        table.add_row(name, f"{number:,}", f"{naive:.1%}", f"{ours:.1%}")
    console.print(table)
    return good


def futility_table(console: Console, runs: int, seed: int) -> bool:
    """Print what stopping for futility costs and saves: paths of z at the planned power, O'Brien–Fleming."""
    rng, shares = np.random.default_rng([seed, 50]), np.arange(1, LOOKS + 1) / LOOKS
    bounds = spending_bounds(shares, alpha=ALPHA)
    table = Table(title=f"Futility below 10 % conditional power: {runs:,} runs, {LOOKS} looks")
    for column in ("true effect", "shown, without", "shown, with", "sample, without", "sample, with"):
        table.add_column(column)
    rows = {}
    for name, drift in (("none", 0.0), ("as planned", POWER_DRIFT)):
        z = (rng.normal(size=(runs, LOOKS)) / np.sqrt(LOOKS) + drift / LOOKS).cumsum(1) / np.sqrt(shares)
        rows[name] = (*stopping(z, bounds), *stopping_with_futility(z, shares, bounds))
        plain, sample, kept, shorter = rows[name]
        table.add_row(name, f"{plain:.3f}", f"{kept:.3f}", f"{sample:.2f}", f"{shorter:.2f}")
    console.print(table)
    return rows["none"][2] <= HIGHEST_FALSE_POSITIVES and rows["as planned"][2] >= 0.70


def stopping_with_futility(z: Floats, shares: Floats, bounds: Floats) -> tuple[float, float]:
    """Return what ``stopping`` does for tests that also stop where the better of trend and plan has < 10 % left."""
    left, fixed = 1 - shares, stats.norm.isf(ALPHA / 2)
    best = np.abs(z)
    theta = np.maximum(best / np.sqrt(shares), POWER_DRIFT)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = stats.norm.cdf((best * np.sqrt(shares) + theta * left - fixed) / np.sqrt(left))
    futile = (power < 0.1) & (shares >= 0.25) & (shares < 1)
    first = np.where((best >= bounds).any(1), (best >= bounds).argmax(1), LOOKS)
    given_up = np.where(futile.any(1), futile.argmax(1), LOOKS)
    used = np.minimum(np.minimum(first, given_up) + 1, LOOKS) / LOOKS
    return float((first < given_up).mean()), float(used.mean())


def daily_designs_table(console: Console, runs: int, seed: int) -> bool:
    """Print false positives of whole read-outs, looked at every day of four weeks, where units are seen longer."""
    table = Table(title=f"`analyse` every day of 28 days, no effect: {runs:,} runs, nominal 5 %")
    methods = ("group_sequential", "always_valid", "half_sequence")
    for column in ("design", *methods):
        table.add_column(column)
    good, margin = True, 2.6 * float(np.sqrt(0.05 * 0.95 / runs))
    for name, (draw, plan) in DESIGNS.items():
        rng, claims = np.random.default_rng([seed, 60]), dict.fromkeys(methods, 0)
        for _ in range(runs):
            looks = draw(rng)
            for method in methods:
                given = replace(plan, method=method, planned_days=28, futility=None)
                claims[method] += analyse(given, looks).decision in ("benefit", "harm")
        table.add_row(name, *(f"{count / runs:.1%}" for count in claims.values()))
        good &= max(claims.values()) / runs <= HIGHEST_FALSE_POSITIVES + margin
    console.print(table)
    return good


def sku_days(rng: np.random.Generator) -> list[Look]:
    """Sixty SKUs, half of them treated: mean sales a day so far, and a level known before as covariate."""
    level = rng.normal(0, 0.8, 60)
    sold = (5 + level[:, None] + rng.gamma(2, 0.7, (60, 28))).cumsum(1) / np.arange(1, 29)
    before, treated = level + rng.normal(0, 0.4, 60), rng.permutation(np.arange(60) % 2 == 1)
    return [
        Look(day + 1, *(Moments.of(sold[arm, day], before[arm]) for arm in (~treated, treated))) for day in range(28)
    ]


def pair_days(rng: np.random.Generator) -> list[Look]:
    """Thirty pairs of SKUs that are alike."""
    level = rng.normal(0, 1, (30, 1))
    members = [
        (level + rng.normal(0, 0.3, (30, 1)) + rng.normal(0, 1, (30, 28))).cumsum(1) / np.arange(1, 29)
        for _ in range(2)
    ]
    pairs = [Moments.of(members[0][:, day], members[1][:, day]) for day in range(28)]
    return [Look(day + 1, pair, pair) for day, pair in enumerate(pairs)]


def switchback_days(rng: np.random.Generator) -> list[Look]:
    """Hours of a shop whose level lives on, with an arm drawn for every four."""
    level = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], rng.normal(size=28 * 24 + 100))[100:]
    period = np.arange(28 * 24) // 4
    treated = (rng.random(28 * 6) < 0.5)[period]
    return [
        Look(day, slots=SwitchbackSlots(level[: day * 24], treated[: day * 24], period[: day * 24], washout=1))
        for day in range(1, 29)
    ]


DESIGNS: dict[str, tuple[Callable[[np.random.Generator], list[Look]], AnalysisPlan]] = {
    "60 SKUs": (sku_days, AnalysisPlan(unit="cluster")),
    "60 SKUs, CUPED": (sku_days, AnalysisPlan(unit="cluster", cuped=True)),
    "30 matched pairs": (pair_days, AnalysisPlan(metric="paired")),
    "switchback, 4 hours": (switchback_days, AnalysisPlan(metric="switchback")),
}


def readout_seconds(console: Console) -> bool:
    """Time the read-out of 100 looks of 100 million exposures from sums, as whole numbers from a database."""
    looks = [
        Look(
            day,
            *(
                Moments(
                    500_000 * day,
                    1_500_000 * day + arm * 90,
                    90_000_000 * day,
                    1_400_000 * day,
                    80_000_000 * day,
                    50_000_000 * day,
                )
                for arm in (0, 1)
            ),
        )
        for day in range(1, 101)
    ]
    slowest = 0.0
    for method in ("always_valid", "group_sequential", "half_sequence", "bayesian"):
        spending_cache_clear()
        began = time.perf_counter()
        readout = analyse(AnalysisPlan(method=method, planned_days=120, cuped=True), looks)
        slowest = max(slowest, time.perf_counter() - began)
        assert readout.n == 100_000_000
    console.print(f"Read-out of 100 looks, 100,000,000 exposures, with CUPED: {slowest:.3f} s at most")
    return slowest < 1.0


def spending_cache_clear() -> None:
    from experiments.stats.inference import boundaries

    boundaries._spending_bounds.cache_clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    console = Console(width=120)
    console.print(f"{platform.platform()}, Python {platform.python_version()}, numpy {np.__version__}, one core")
    began = time.perf_counter()
    checks: list[tuple[str, Callable[[], bool]]] = [
        ("false positives at most 5.5 %", lambda: calibration_table(console, options.runs, options.seed)),
        ("CUPED adds 0.25 of power", lambda: cuped_table(console, options.runs, options.seed)),
        ("SRM does not cry wolf", lambda: srm_table(console, options.runs, options.seed)),
        ("clusters at 4 to 6 %", lambda: cluster_table(console, options.runs, options.seed)),
        ("futility keeps alpha and 0.70 of power", lambda: futility_table(console, options.runs, options.seed)),
        (
            "whole read-outs of daily designs",
            lambda: daily_designs_table(console, max(options.runs // 25, 20), options.seed),
        ),
        ("read-out under a second", lambda: readout_seconds(console)),
    ]
    if has_peers():
        from benchmarks.experiment_peers import compare

        checks.append(("equal to the peers", lambda: compare(console)))
    results = [(name, check()) for name, check in checks]
    for name, good in results:
        console.print(f"{'yes' if good else 'NO '}  {name}")
    if not has_peers():
        console.print("gbstats and spotify-confidence are not installed: no comparison")
    console.print(f"{time.perf_counter() - began:.0f} s")
    raise SystemExit(0 if all(good for _, good in results) else 1)


if __name__ == "__main__":
    main()
