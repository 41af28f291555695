"""Guardrail metrics: a test stops by itself where one is hurt by more than is tolerated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.stats.inference.confidence_sequence import sequence_interval, sequence_p_value
from experiments.stats.inference.estimate import Estimate

LEAST_UNITS = 100
"""Units in both arms before a guardrail may stop: the sequence is asymptotic."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """State what must not be hurt, before the test begins.

    Args:
        name: of the metric, as people know it.
        margin: how much worse is tolerated, >= 0, in the unit of the estimates (a share where they are relative).
        higher_is_better: False where a rise is the harm (returns, stock-outs).
        alpha: chance that it ever stops a test that hurts by no more than the margin.
        tuning_n: units at which it is tightest; the planned units where there is a plan.
    """

    name: str
    margin: float = 0.0
    higher_is_better: bool = True
    alpha: float = 0.05
    tuning_n: float = 5000.0

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise ValueError(f"margin: got {self.margin}; give how much worse is tolerated, 0 or more")


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """Hold what a guardrail says at each look.

    Args:
        name: of the metric.
        breached: whether harm beyond the margin is shown at any look.
        breached_look: index of the first such look, or None.
        harm: (look,) estimated harm, positive where worse, in the estimate's unit.
        least_harm: (look,) one-sided bound: harm is at least so much, with 1 − alpha for all looks at once.
        p_value: always valid, of "no more harm than the margin".
    """

    name: str
    breached: bool
    breached_look: int | None
    harm: tuple[float, ...]
    least_harm: tuple[float, ...]
    p_value: float


def check_guardrail(
    guardrail: Guardrail, estimates: Sequence[Estimate], *, progress: Sequence[float] | None = None
) -> GuardrailResult:
    """Test harm > margin one-sided at every look, by a confidence sequence.

    Args:
        estimates: one a look, cumulative, in order.
        progress: (look,) share of what the sequence is tuned for; units over ``tuning_n`` unless given (give shares of
            information where the units are clusters, whose number does not grow).
    """
    if not estimates:
        return GuardrailResult(guardrail.name, False, None, (), (), 1.0)
    sign = -1.0 if guardrail.higher_is_better else 1.0
    harm = np.array([sign * estimate.effect for estimate in estimates])
    units = np.array([float(estimate.n) for estimate in estimates])
    score = np.array([abs(float(estimate.z)) for estimate in estimates])
    error = np.array([float(estimate.standard_error) for estimate in estimates])
    with np.errstate(divide="ignore", invalid="ignore"):
        # Few degrees of freedom widen the error, as they shrink the z.
        error = np.where((score > 0) & np.isfinite(score), np.maximum(np.abs(harm) / score, error), error)
    share = units / guardrail.tuning_n if progress is None else np.asarray(progress, dtype=float)
    least, _ = sequence_interval(harm, error, share, guardrail.alpha, sides=1)
    ready = (units >= LEAST_UNITS) if progress is None else np.isfinite(error)
    over = ready & (least > guardrail.margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num((harm - guardrail.margin) / error, posinf=40.0, neginf=-40.0)
    p_values = np.where(ready, sequence_p_value(z, share, guardrail.alpha, sides=1), 1.0)
    first = int(np.argmax(over)) if over.any() else None
    return GuardrailResult(
        guardrail.name,
        bool(over.any()),
        first,
        tuple(harm.tolist()),
        tuple(np.asarray(least).tolist()),
        float(np.min(p_values)),
    )
