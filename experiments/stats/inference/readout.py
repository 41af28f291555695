"""What an analysis says, for a page, a chart or an API."""

from dataclasses import dataclass

from experiments.stats.inference.guardrails import GuardrailResult
from experiments.stats.inference.srm import SrmResult


@dataclass(frozen=True, slots=True)
class LookResult:
    """Hold one point of the chart; numbers in the unit of the plan's effect.

    ``low`` and ``high`` are ±inf and ``standard_error`` is nan while nothing can be said.
    """

    day: int
    n: float
    effect: float
    standard_error: float
    low: float
    high: float
    bound: float
    """Critical |z| of the method at this look; inf where it cannot stop."""
    z: float
    naive_p_value: float


@dataclass(frozen=True, slots=True)
class NaiveTest:
    """Hold what a test that takes each look for the only one would have said: for comparison, not for decisions."""

    effect: float
    low: float
    high: float
    p_value: float
    significant: bool
    ever_significant: bool
    first_significant_day: int | None


@dataclass(frozen=True, slots=True)
class Readout:
    """Hold the analysis of one metric of one arm against control.

    Args:
        method: the one used, never ``default``.
        looks: a result a look, for the chart.
        effect, low, high: today's, in the unit of the plan; the interval at 1 − alpha/comparisons.
        relative_effect, relative_low, relative_high: the same over the control's observed mean, so that both intervals
            agree on 0; nan where it is 0. A plan with ``relative`` counts the noise of that mean as well.
        p_value: valid under the method's looks; 1 where it may not speak yet; None for ``bayesian``.
        probability_to_beat, expected_loss: posterior under the plan's prior.
        srm: None where nothing was counted.
        variance_reduction: share of the variance that CUPED or pairs took away.
        naive: what a naive test would have said.
        guardrails: as given.
        decision: one of ``stopping.DECISIONS``.
        decided_day: when it fell; None while it is ``continue``.
        horizon_share: share of the planned horizon that has passed; None without a horizon.
        remaining_days: days until a decision is expected at this rate; 0 where decided, None where none is in sight.
        adjusted_effect, adjusted_low, adjusted_high: median-unbiased, after a group-sequential test stopped; else None.
        valid_when_peeked: whether the method's error rate holds for looks at any time.
    """

    method: str
    looks: tuple[LookResult, ...]
    n: float
    effect: float
    low: float
    high: float
    relative_effect: float
    relative_low: float
    relative_high: float
    control_mean: float
    treatment_mean: float
    p_value: float | None
    probability_to_beat: float
    expected_loss: float
    srm: SrmResult | None
    variance_reduction: float
    naive: NaiveTest
    guardrails: tuple[GuardrailResult, ...]
    decision: str
    decided_day: int | None
    horizon_share: float | None
    remaining_days: float | None
    adjusted_effect: float | None
    adjusted_low: float | None
    adjusted_high: float | None
    valid_when_peeked: bool
    higher_is_better: bool
