"""Statistics of experiments that may be looked at any day. Pure: numpy and scipy, no Django.

``analyse(plan, looks)`` does all in one; the parts stand by themselves. A look is the cumulative moments of both arms.
"""

from experiments.stats.inference.analysis import analyse, analyse_family, watch_guardrail
from experiments.stats.inference.bayesian import Posterior, posterior_of
from experiments.stats.inference.boundaries import crossing_probabilities, spending_bounds
from experiments.stats.inference.classical import classical_constant
from experiments.stats.inference.confidence_sequence import sequence_interval, sequence_multiplier, sequence_p_value
from experiments.stats.inference.estimate import Estimate
from experiments.stats.inference.estimates import (
    cuped_difference,
    difference_of_means,
    difference_of_proportions,
    paired_difference,
    ratio_of_sums,
)
from experiments.stats.inference.futility import futility_bounds
from experiments.stats.inference.group_sequential import (
    SpendingPlan,
    repeated_intervals,
    repeated_p_value,
    stagewise_result,
)
from experiments.stats.inference.guardrails import Guardrail, GuardrailResult, check_guardrail
from experiments.stats.inference.moments import Moments
from experiments.stats.inference.msprt import always_valid_p_values, mixture_likelihood_ratio
from experiments.stats.inference.multiplicity import CORRECTIONS, adjusted_p_values
from experiments.stats.inference.plan import METHODS, METRICS, UNITS, AnalysisPlan, Look
from experiments.stats.inference.power import (
    design_effect,
    duration_days,
    inflation_factor,
    minimum_detectable_effect,
    sample_size,
)
from experiments.stats.inference.progress import estimate_of
from experiments.stats.inference.readout import LookResult, NaiveTest, Readout
from experiments.stats.inference.sentences import sentence
from experiments.stats.inference.spending import SPENDING, spent
from experiments.stats.inference.srm import SrmResult, check_sample_ratio, chi_square_p_value
from experiments.stats.inference.stopping import DECISIONS, conditional_power
from experiments.stats.inference.switchback import SwitchbackSlots, randomisation_p_value, switchback_difference
from experiments.stats.inference.winsor import cap_from_history, winsorised

__all__ = [
    "CORRECTIONS",
    "DECISIONS",
    "METHODS",
    "METRICS",
    "SPENDING",
    "UNITS",
    "AnalysisPlan",
    "Estimate",
    "Guardrail",
    "GuardrailResult",
    "Look",
    "LookResult",
    "Moments",
    "NaiveTest",
    "Posterior",
    "Readout",
    "SpendingPlan",
    "SrmResult",
    "SwitchbackSlots",
    "adjusted_p_values",
    "always_valid_p_values",
    "analyse",
    "analyse_family",
    "cap_from_history",
    "check_guardrail",
    "check_sample_ratio",
    "chi_square_p_value",
    "classical_constant",
    "conditional_power",
    "crossing_probabilities",
    "cuped_difference",
    "design_effect",
    "difference_of_means",
    "difference_of_proportions",
    "duration_days",
    "estimate_of",
    "futility_bounds",
    "inflation_factor",
    "minimum_detectable_effect",
    "mixture_likelihood_ratio",
    "paired_difference",
    "posterior_of",
    "randomisation_p_value",
    "ratio_of_sums",
    "repeated_intervals",
    "repeated_p_value",
    "sample_size",
    "sentence",
    "sequence_interval",
    "sequence_multiplier",
    "sequence_p_value",
    "spending_bounds",
    "spent",
    "stagewise_result",
    "switchback_difference",
    "watch_guardrail",
    "winsorised",
]
