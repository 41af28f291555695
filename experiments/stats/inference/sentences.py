"""Say a readout in plain words."""

import numpy as np

from experiments.stats.inference import stopping
from experiments.stats.inference.readout import Readout


def sentence(readout: Readout) -> str:
    """Return one or two sentences for someone who knows the shop and not the statistics."""
    decision = readout.decision
    if decision == stopping.SRM:
        return "The arms do not hold the shares they should: find out why before reading anything else."
    if decision == stopping.GUARDRAIL:
        names = ", ".join(rail.name for rail in readout.guardrails if rail.breached)
        return f"Stop: {names} is hurt by more than was allowed."
    if decision == stopping.BENEFIT:
        return f"The treatment is better: {_size(readout)}."
    if decision == stopping.HARM:
        return f"The treatment is worse: {_size(readout)}."
    if decision == stopping.FUTILITY:
        return "Going on is not worth it: an effect that matters is unlikely to be shown."
    if decision == stopping.FINISHED and not np.isfinite(readout.low + readout.high):
        return "The test is over, and too little came in to say anything."
    if decision == stopping.FINISHED:
        return f"The test is over without a difference shown: {_size(readout)}."
    return _too_early(readout)


def _too_early(readout: Readout) -> str:
    if readout.remaining_days is None:
        return "Too early to say; at this rate no decision is in sight."
    days = max(int(np.ceil(readout.remaining_days - 1e-9)), 1)
    return f"Too early to say; at this rate {days} more day{'' if days == 1 else 's'}."


def _size(readout: Readout) -> str:
    if np.isfinite(readout.relative_effect) and np.isfinite(readout.relative_low + readout.relative_high):
        return f"{readout.relative_effect:+.1%}, between {readout.relative_low:+.1%} and {readout.relative_high:+.1%}"
    return f"{readout.effect:+.4g}, between {readout.low:+.4g} and {readout.high:+.4g}"
