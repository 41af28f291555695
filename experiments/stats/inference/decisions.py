"""Whether a test stops, and why: SRM before guardrails before the metric."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from experiments.stats.inference import stopping
from experiments.stats.inference.estimate import Estimate
from experiments.stats.inference.guardrails import GuardrailResult
from experiments.stats.inference.intervals import posterior_by_look
from experiments.stats.inference.plan import ALWAYS_VALID, BAYESIAN, MSPRT, AnalysisPlan
from experiments.stats.inference.srm import SrmResult
from experiments.stats.inference.verdicts import Track, Verdict

PLANNED_POWER = 0.8
"""Where no smallest effect is stated, a horizon is taken to be planned for this power."""


def decide(
    plan: AnalysisPlan,
    track: Track,
    verdict: Verdict,
    estimates: Sequence[Estimate],
    srm: SrmResult | None,
    guardrails: Sequence[GuardrailResult],
) -> tuple[str, int | None]:
    """Return the decision and the index of the look at which it fell (None while it is to continue)."""
    last = len(estimates) - 1
    if srm is not None and srm.mismatch:
        return stopping.SRM, last
    breached = [rail.breached_look for rail in guardrails if rail.breached_look is not None]
    if breached:
        return stopping.GUARDRAIL, min(*breached, last)
    shown = _first_shown(plan, track, verdict, estimates)
    if shown is not None:
        return shown
    if _is_futile(plan, track, verdict):
        return stopping.FUTILITY, last
    if plan.has_horizon and track.progress.time[-1] >= 1:
        return stopping.FINISHED, last
    return stopping.CONTINUE, None


def _first_shown(
    plan: AnalysisPlan, track: Track, verdict: Verdict, estimates: Sequence[Estimate]
) -> tuple[str, int] | None:
    """Find the first look at which a bound was reached. Harm is watched also where the claim is one-sided."""
    score = _bayesian_score(plan, estimates) if plan.chosen_method == BAYESIAN else track.z
    reached = (np.abs(score) >= verdict.bounds) & track.progress.ready
    if plan.chosen_method == BAYESIAN and plan.loss_threshold is not None:
        posterior = posterior_by_look(plan, estimates)
        reached &= np.minimum(posterior.expected_loss, posterior.expected_loss_of_control) < plan.loss_threshold
    if not reached.any():
        return None
    index = int(np.argmax(reached))
    return (stopping.BENEFIT if score[index] > 0 else stopping.HARM), index


def _bayesian_score(plan: AnalysisPlan, estimates: Sequence[Estimate]) -> np.ndarray:
    """Return the posterior's mean over its standard deviation, positive where better."""
    posterior = posterior_by_look(plan, estimates)
    sign = 1.0 if plan.higher_is_better else -1.0
    return np.asarray(np.nan_to_num(sign * posterior.mean / posterior.sd))


def _is_futile(plan: AnalysisPlan, track: Track, verdict: Verdict) -> bool:
    if not track.progress.ready[-1] or plan.chosen_method == BAYESIAN:
        return False
    if plan.chosen_method in (ALWAYS_VALID, MSPRT):
        return _is_futile_by_interval(plan, track, verdict)
    return _is_futile_by_power(plan, track)


def _is_futile_by_interval(plan: AnalysisPlan, track: Track, verdict: Verdict) -> bool:
    if plan.minimum_effect is None:
        return False
    half = verdict.bounds[-1] * track.standard_error[-1]
    effect = track.z[-1] * track.standard_error[-1]
    return stopping.is_futile_by_interval(effect - half, effect + half, plan.minimum_effect, True, plan.sides)


def _is_futile_by_power(plan: AnalysisPlan, track: Track) -> bool:
    time = float(track.progress.time[-1])
    if plan.futility is None or not stopping.LEAST_TIME <= time < 1:
        return False
    final_bound = float(-ndtri(plan.level / plan.sides))
    hoped = final_bound + float(ndtri(PLANNED_POWER))
    if plan.minimum_effect is not None:
        hoped = plan.minimum_effect / float(track.standard_error[-1]) / np.sqrt(time)
    return stopping.is_futile_by_power(
        float(track.z[-1]), time, final_bound, threshold=plan.futility, drift=hoped, sides=plan.sides
    )
