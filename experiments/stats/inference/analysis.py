"""Analyse a test by its plan: SRM, guardrails, the effect with its interval, and whether to stop."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.stats.inference import stopping
from experiments.stats.inference.bayesian import posterior_of
from experiments.stats.inference.estimates import Estimate, normal_score
from experiments.stats.inference.forecast import remaining_days
from experiments.stats.inference.group_sequential import stagewise_result
from experiments.stats.inference.guardrails import GuardrailResult
from experiments.stats.inference.multiplicity import adjusted_p_values
from experiments.stats.inference.plan import (
    ALWAYS_VALID,
    BAYESIAN,
    FIXED,
    GROUP_SEQUENTIAL,
    MSPRT,
    NEED_HORIZON,
    AnalysisPlan,
    Look,
)
from experiments.stats.inference.progress import Progress, estimate_of, progress_of
from experiments.stats.inference.readout import LookResult, NaiveTest, Readout
from experiments.stats.inference.srm import SrmResult, check_sample_ratio
from experiments.stats.inference.verdicts import Track, Verdict, used_looks, verdict_of

Floats = NDArray[np.float64]


def analyse(plan: AnalysisPlan, looks: Sequence[Look], *, guardrails: Sequence[GuardrailResult] = ()) -> Readout:
    """Analyse one metric of one arm against control from its cumulative looks.

    Looks after a planned horizon's are left out: the test is over there. In what follows SRM stops first, then a
    guardrail, then the metric itself.

    Args:
        plan: registered before the test.
        looks: at least one, in the order of days; each holds everything since the start.
        guardrails: what other metrics say, from ``check_guardrail``.

    Raises:
        ValueError: without looks, or with looks out of order; the message names the field.
    """
    series = _checked(plan, looks)
    estimates = [estimate_of(plan, look) for look in series]
    progress = progress_of(plan, series, estimates)
    track = _track(plan, estimates, progress)
    verdict = verdict_of(plan, track)
    srm = _srm(plan, series)
    decision, index = _decide(plan, track, verdict, estimates, srm, guardrails)
    last = estimates[-1]
    low, high = _intervals(plan, estimates, verdict, track)
    adjusted = _adjusted(plan, track, verdict, index if decision in _SHOWN else None)
    scale = 1.0 if plan.relative else _over(1.0, abs(float(last.control_mean)))
    posterior = posterior_of(
        last.effect,
        last.standard_error,
        prior_mean=plan.prior_mean,
        prior_sd=np.inf if plan.prior_sd is None else plan.prior_sd,
        higher_is_better=plan.higher_is_better,
    )
    horizon = float(progress.time[-1]) if plan.has_horizon else None
    rest = (
        0.0
        if decision != stopping.CONTINUE
        else remaining_days(plan, track.z, progress, np.array([look.day for look in series], dtype=float))
    )
    return Readout(
        method=plan.chosen_method,
        looks=_look_results(series, estimates, low, high, verdict, track),
        n=float(last.n),
        effect=float(last.effect),
        low=float(low[-1]),
        high=float(high[-1]),
        relative_effect=float(last.effect) * scale,
        relative_low=float(low[-1]) * scale,
        relative_high=float(high[-1]) * scale,
        control_mean=float(last.control_mean),
        treatment_mean=float(last.treatment_mean),
        p_value=verdict.p_value,
        probability_to_beat=float(posterior.probability_to_beat),
        expected_loss=float(posterior.expected_loss),
        srm=srm,
        variance_reduction=float(last.variance_reduction),
        naive=_naive(plan, series, estimates),
        guardrails=tuple(guardrails),
        decision=decision,
        decided_day=None if index is None else series[index].day,
        horizon_share=horizon,
        remaining_days=rest,
        adjusted_effect=None if adjusted is None else adjusted[0],
        adjusted_low=None if adjusted is None else adjusted[1],
        adjusted_high=None if adjusted is None else adjusted[2],
        valid_when_peeked=plan.chosen_method not in (BAYESIAN, FIXED),
        higher_is_better=plan.higher_is_better,
    )


_SHOWN = (stopping.BENEFIT, stopping.HARM)


def analyse_family(
    plans: Mapping[Any, AnalysisPlan],
    looks: Mapping[Any, Sequence[Look]],
    *,
    correction: str = "holm",
    guardrails: Sequence[GuardrailResult] = (),
) -> tuple[dict[Any, Readout], dict[Any, float]]:
    """Analyse several metrics and arms, keyed alike: their readouts, and p-values corrected over the family.

    Intervals and decisions of each readout share alpha by Bonferroni, so that they hold together; the corrected
    p-values (Holm's are never larger than Bonferroni's) may each be compared with the family's alpha.
    """
    shared = {key: replace(plan, comparisons=max(plan.comparisons, len(plans))) for key, plan in plans.items()}
    readouts = {key: analyse(shared[key], looks[key], guardrails=guardrails) for key in plans}
    keys = [key for key in plans if readouts[key].p_value is not None]
    adjusted = adjusted_p_values([float(readouts[key].p_value or 0.0) for key in keys], correction)
    return readouts, dict(zip(keys, adjusted.tolist(), strict=True))


def _over(value: float, of: float) -> float:
    return value / of if of else float("nan")


def _checked(plan: AnalysisPlan, looks: Sequence[Look]) -> list[Look]:
    if not looks:
        raise ValueError("looks: got none; give the sums of at least one day")
    days = [look.day for look in looks]
    if any(later <= earlier for earlier, later in itertools.pairwise(days)):
        raise ValueError(f"looks: got days {days}; give each day once, in order")
    if plan.chosen_method not in NEED_HORIZON:
        return list(looks)
    return [*_until_horizon(plan, looks)]


def _until_horizon(plan: AnalysisPlan, looks: Sequence[Look]) -> Sequence[Look]:
    for index, look in enumerate(looks):
        by_days = plan.planned_days is not None and look.day >= plan.planned_days
        units = 0.0 if look.control is None or look.treatment is None else float(look.control.n + look.treatment.n)
        by_units = plan.planned_n is not None and not plan.is_clustered and units >= plan.planned_n
        if by_days or by_units:
            return looks[: index + 1]
    return looks


def _track(plan: AnalysisPlan, estimates: Sequence[Estimate], progress: Progress) -> Track:
    sign = 1.0 if plan.higher_is_better else -1.0
    z = sign * np.array([float(estimate.z) for estimate in estimates])
    error = np.array([float(estimate.standard_error) for estimate in estimates])
    return Track(np.where(progress.ready, np.nan_to_num(z, posinf=40.0, neginf=-40.0), 0.0), error, progress)


def _srm(plan: AnalysisPlan, looks: Sequence[Look]) -> SrmResult | None:
    counts = [
        look.exposures
        if look.exposures is not None
        else None
        if look.control is None or look.treatment is None or plan.is_clustered
        else (int(look.control.n), int(look.treatment.n))
        for look in looks
    ]
    known = [count for count in counts if count is not None]
    return check_sample_ratio(known, plan.expected_shares) if known else None


def _decide(
    plan: AnalysisPlan,
    track: Track,
    verdict: Verdict,
    estimates: Sequence[Estimate],
    srm: SrmResult | None,
    guardrails: Sequence[GuardrailResult],
) -> tuple[str, int | None]:
    last = len(estimates) - 1
    if srm is not None and srm.mismatch:
        return stopping.SRM, last
    breached = [rail.breached_look for rail in guardrails if rail.breached and rail.breached_look is not None]
    if breached:
        return stopping.GUARDRAIL, min(min(breached), last)
    shown = _first_shown(plan, track, verdict, estimates)
    if shown is not None:
        return shown
    if _is_futile(plan, track, verdict):
        return stopping.FUTILITY, last
    if plan.has_horizon and plan.chosen_method in NEED_HORIZON and track.progress.time[-1] >= 1:
        return stopping.FINISHED, last
    return stopping.CONTINUE, None


def _first_shown(
    plan: AnalysisPlan, track: Track, verdict: Verdict, estimates: Sequence[Estimate]
) -> tuple[str, int] | None:
    """Find the first look at which a bound was reached. Harm is watched also where the claim is one-sided."""
    reached = (np.abs(track.z) >= verdict.bounds) & track.progress.ready
    if plan.chosen_method == BAYESIAN and plan.loss_threshold is not None:
        reached &= _loss_is_small(plan, estimates)
    if not reached.any():
        return None
    index = int(np.argmax(reached))
    return (stopping.BENEFIT if track.z[index] > 0 else stopping.HARM), index


def _loss_is_small(plan: AnalysisPlan, estimates: Sequence[Estimate]) -> NDArray[np.bool_]:
    posterior = posterior_of(
        np.array([float(e.effect) for e in estimates]),
        np.array([float(e.standard_error) for e in estimates]),
        prior_mean=plan.prior_mean,
        prior_sd=np.inf if plan.prior_sd is None else plan.prior_sd,
        higher_is_better=plan.higher_is_better,
    )
    least = np.minimum(posterior.expected_loss, posterior.expected_loss_of_control)
    return np.asarray(least < plan.loss_threshold)


def _is_futile(plan: AnalysisPlan, track: Track, verdict: Verdict) -> bool:
    progress = track.progress
    if not progress.ready[-1]:
        return False
    if plan.chosen_method in (ALWAYS_VALID, MSPRT):
        if plan.minimum_effect is None:
            return False
        half = verdict.bounds[-1] * track.standard_error[-1]
        effect = track.z[-1] * track.standard_error[-1]
        return stopping.is_futile_by_interval(effect - half, effect + half, plan.minimum_effect, True, plan.sides)
    if plan.futility is None or not plan.has_horizon or plan.chosen_method == BAYESIAN:
        return False
    time = _information_share(progress)
    if not stopping.LEAST_TIME <= time < 1:
        return False
    hoped = None
    if plan.minimum_effect is not None:
        hoped = plan.minimum_effect / track.standard_error[-1] / np.sqrt(time)
    return stopping.is_futile_by_power(
        float(track.z[-1]),
        time,
        float(stats.norm.isf(plan.level / plan.sides)),
        threshold=plan.futility,
        drift=hoped,
        sides=plan.sides,
    )


def _information_share(progress: Progress) -> float:
    return float(progress.time[-1])


def _adjusted(
    plan: AnalysisPlan, track: Track, verdict: Verdict, index: int | None
) -> tuple[float, float, float] | None:
    """Estimate without the luck of stopping, where a group-sequential test crossed."""
    if plan.chosen_method != GROUP_SEQUENTIAL or index is None:
        return None
    used = used_looks(track.progress)
    used = used[used <= index]
    sign = 1.0 if plan.higher_is_better else -1.0
    result = stagewise_result(
        float(track.z[index]),
        float(track.standard_error[index]),
        track.progress.information[used],
        verdict.bounds[used],
        alpha=plan.level,
        sides=plan.sides,
    )
    low, high = sorted((sign * result.low, sign * result.high))
    return sign * result.estimate, low, high


def _reach(estimate: Estimate, bound: float) -> tuple[float, float]:
    """Return the effects that are fewer than ``bound`` standard errors away, by t where degrees are few."""
    half = _t_multiplier(bound, estimate.degrees_of_freedom) * estimate.standard_error
    if np.isnan(half) or np.isnan(estimate.effect):
        return -np.inf, np.inf
    return float(estimate.effect - half), float(estimate.effect + half)


def _t_multiplier(bound: float, degrees_of_freedom: float) -> float:
    if not np.isfinite(degrees_of_freedom) or not np.isfinite(bound):
        return bound
    return float(stats.t.isf(stats.norm.sf(min(bound, 37.0)), max(degrees_of_freedom, 1.0)))


def _intervals(
    plan: AnalysisPlan, estimates: Sequence[Estimate], verdict: Verdict, track: Track
) -> tuple[Floats, Floats]:
    if plan.chosen_method == BAYESIAN:
        posterior = posterior_of(
            np.array([float(e.effect) for e in estimates]),
            track.standard_error,
            prior_mean=plan.prior_mean,
            prior_sd=np.inf if plan.prior_sd is None else plan.prior_sd,
        )
        low, high = posterior.interval(1 - plan.level)
        return np.where(track.progress.ready, low, -np.inf), np.where(track.progress.ready, high, np.inf)
    ends = np.array([_reach(estimate, float(bound)) for estimate, bound in zip(estimates, verdict.bounds, strict=True)])
    return ends[:, 0], ends[:, 1]


def _naive(plan: AnalysisPlan, looks: Sequence[Look], estimates: Sequence[Estimate]) -> NaiveTest:
    p_values = np.array([float(estimate.p_value()) for estimate in estimates])
    significant = np.array([p < plan.alpha for p in p_values])
    low, high = estimates[-1].interval(1 - plan.alpha)
    first = int(np.argmax(significant)) if significant.any() else None
    return NaiveTest(
        float(estimates[-1].effect),
        float(low),
        float(high),
        float(p_values[-1]),
        bool(significant[-1]),
        bool(significant.any()),
        None if first is None else looks[first].day,
    )


def _look_results(
    looks: Sequence[Look], estimates: Sequence[Estimate], low: Floats, high: Floats, verdict: Verdict, track: Track
) -> tuple[LookResult, ...]:
    return tuple(
        LookResult(
            look.day,
            float(estimate.n),
            float(estimate.effect),
            float(estimate.standard_error),
            float(bottom),
            float(top),
            float(bound),
            float(normal_score(estimate.effect, estimate.standard_error, estimate.degrees_of_freedom)),
            float(estimate.p_value()),
        )
        for look, estimate, bottom, top, bound in zip(looks, estimates, low, high, verdict.bounds, strict=True)
    )
