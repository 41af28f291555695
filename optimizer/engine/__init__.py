"""Price optimisation without a framework: usable from a notebook, no database needed."""

from .batch import GPUBatchProcessor
from .columns import FrameError
from .demand import Demand
from .devices import available_devices, resolve_device
from .objectives import Objective, objective_names, register_objective
from .pricing_arrays import UNPRICED_REASONS, PricingInputs, PricingResult
from .pricing_config import ElasticityPosterior, PricingConfig
from .pricing_engine import DynamicPricingEngine, OptimalPrice
from .ticks import optimize_ticks

__all__ = [
    "UNPRICED_REASONS",
    "Demand",
    "DynamicPricingEngine",
    "ElasticityPosterior",
    "FrameError",
    "GPUBatchProcessor",
    "Objective",
    "OptimalPrice",
    "PricingConfig",
    "PricingInputs",
    "PricingResult",
    "available_devices",
    "objective_names",
    "optimize_ticks",
    "register_objective",
    "resolve_device",
]
