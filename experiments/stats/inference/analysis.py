"""Analyse a test by its plan: SRM, guardrails, the effect with its interval, and whether to stop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.stats.inference import stopping
from experiments.stats.inference.decisions import decide
from experiments.stats.inference.estimate import Estimate
from experiments.stats.inference.forecast import remaining_days
from experiments.stats.inference.guardrails import Guardrail, GuardrailResult, check_guardrail
from experiments.stats.inference.intervals import adjusted_estimate, intervals_of, posterior_by_look
from experiments.stats.inference.multiplicity import adjusted_p_values
from experiments.stats.inference.plan import BAYESIAN, FIXED, NEED_HORIZON, AnalysisPlan, Look
from experiments.stats.inference.progress import Progress, estimate_of, progress_of
from experiments.stats.inference.readout import LookResult, NaiveTest, Readout
from experiments.stats.inference.srm import SrmResult, check_sample_ratio
from experiments.stats.inference.verdicts import Track, Verdict, verdict_of

Floats = NDArray[np.float64]


def analyse(plan: AnalysisPlan, looks: Sequence[Look], *, guardrails: Sequence[GuardrailResult] = ()) -> Readout:
    """Analyse one metric of one arm against control from its cumulative looks.

    SRM stops first, then a guardrail, then the metric itself. Methods that need a horizon leave out looks after it: the
    test is over there.

    Args:
        plan: registered before the test.
        looks: at least one, in the order of days; each holds everything since the start.
        guardrails: what other metrics say, from ``watch_guardrail``.

    Raises:
        ValueError: without looks, or with looks out of order; the message names the field.
    """
    series = _checked(plan, looks)
    estimates = [estimate_of(plan, look) for look in series]
    progress = progress_of(plan, series, estimates)
    track = _track(plan, estimates, progress)
    verdict = verdict_of(plan, track)
    srm = _srm(plan, series)
    decision, stop = decide(plan, track, verdict, estimates, srm, guardrails)
    low, high = intervals_of(plan, estimates, verdict, track)
    shown = decision in (stopping.BENEFIT, stopping.HARM)
    adjusted = adjusted_estimate(plan, track, verdict, stop if shown else None) or (None, None, None)
    last, posterior = estimates[-1], posterior_by_look(plan, estimates[-1:])
    scale = 1.0 if plan.relative else _over(1.0, abs(float(last.control_mean)))
    rest = 0.0 if stop is not None else remaining_days(plan, track.z, progress, _days(series))
    return Readout(
        method=plan.chosen_method,
        looks=_look_results(series, estimates, low, high, verdict),
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
        probability_to_beat=float(posterior.probability_to_beat[0]),
        expected_loss=float(posterior.expected_loss[0]),
        srm=srm,
        variance_reduction=float(last.variance_reduction),
        naive=_naive(plan, series, estimates),
        guardrails=tuple(guardrails),
        decision=decision,
        decided_day=None if stop is None else series[stop].day,
        horizon_share=float(progress.time[-1]) if plan.has_horizon else None,
        remaining_days=rest,
        adjusted_effect=adjusted[0],
        adjusted_low=adjusted[1],
        adjusted_high=adjusted[2],
        valid_when_peeked=plan.chosen_method not in (BAYESIAN, FIXED),
        higher_is_better=plan.higher_is_better,
    )


def watch_guardrail(guardrail: Guardrail, plan: AnalysisPlan, looks: Sequence[Look]) -> GuardrailResult:
    """Check a guardrail at each of its looks; ``plan`` says how its metric is read (metric, unit, cuped, relative).

    A guardrail is tuned for the plan's horizon, where it has one.
    """
    series = _checked(replace(plan, method="always_valid"), looks)
    estimates = [estimate_of(plan, look) for look in series]
    progress = progress_of(plan, series, estimates)
    return check_guardrail(guardrail, estimates, progress=np.where(progress.ready, progress.tuned, 0.0).tolist())


def analyse_family(
    plans: Mapping[Any, AnalysisPlan],
    looks: Mapping[Any, Sequence[Look]],
    *,
    correction: str | None = None,
    guardrails: Sequence[GuardrailResult] = (),
) -> tuple[dict[Any, Readout], dict[Any, float]]:
    """Analyse several metrics and arms, keyed alike: their readouts, and p-values corrected over the family.

    Intervals and decisions of each readout share alpha by Bonferroni, so that they hold together; the corrected
    p-values may each be compared with the family's alpha. The correction is that of the plans unless given.
    """
    shared = {key: replace(plan, comparisons=max(plan.comparisons, len(plans))) for key, plan in plans.items()}
    readouts = {key: analyse(shared[key], looks[key], guardrails=guardrails) for key in plans}
    keys = [key for key in plans if readouts[key].p_value is not None]
    chosen = correction or next((plan.correction for plan in plans.values()), "holm")
    adjusted = adjusted_p_values([float(readouts[key].p_value or 0.0) for key in keys], chosen)
    return readouts, dict(zip(keys, adjusted.tolist(), strict=True))


def _over(value: float, of: float) -> float:
    return value / of if of else float("nan")


def _checked(plan: AnalysisPlan, looks: Sequence[Look]) -> list[Look]:
    if not looks:
        raise ValueError("looks: got none; give the sums of at least one day")
    days = [look.day for look in looks]
    if any(later <= earlier for earlier, later in pairwise(days)):
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


def _days(looks: Sequence[Look]) -> Floats:
    return np.array([look.day for look in looks], dtype=float)


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
    looks: Sequence[Look], estimates: Sequence[Estimate], low: Floats, high: Floats, verdict: Verdict
) -> tuple[LookResult, ...]:
    return tuple(
        LookResult(
            day=look.day,
            n=float(estimate.n),
            effect=float(estimate.effect),
            standard_error=float(estimate.standard_error),
            low=float(low[index]),
            high=float(high[index]),
            bound=float(verdict.bounds[index]),
            z=float(estimate.z),
            naive_p_value=float(estimate.p_value()),
        )
        for index, (look, estimate) in enumerate(zip(looks, estimates, strict=True))
    )
