"""Elasticities that are causes: instruments, fixed effects, double machine learning. Needs the extra `causal`."""

from .dml import double_machine_learning
from .instruments import cost_shifter, other_regions_price, rivals_characteristic
from .iv import fixed_effects, two_stage_least_squares
from .panel import CausalPanel
from .results import CausalEstimate, Overidentification

__all__ = [
    "CausalEstimate",
    "CausalPanel",
    "Overidentification",
    "cost_shifter",
    "double_machine_learning",
    "fixed_effects",
    "other_regions_price",
    "rivals_characteristic",
    "two_stage_least_squares",
]
