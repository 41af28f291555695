"""Price optimisation without a framework: usable from a notebook, no database needed."""

from .batch import GPUBatchProcessor
from .columns import FrameError
from .demand import Demand
from .demand_panel import DemandPanel
from .devices import available_devices, resolve_device
from .elasticity import ElasticityConfig, fit_elasticities
from .elasticity_results import FIT_NOTES, ElasticityFit
from .objectives import Objective, objective_names, register_objective
from .pricing_arrays import UNPRICED_REASONS, PricingInputs, PricingResult
from .pricing_config import ElasticityPosterior, PricingConfig
from .pricing_engine import DynamicPricingEngine, OptimalPrice
from .ticks import optimize_ticks

__all__ = [
    "FIT_NOTES",
    "UNPRICED_REASONS",
    "Demand",
    "DemandPanel",
    "DynamicPricingEngine",
    "ElasticityConfig",
    "ElasticityFit",
    "ElasticityPosterior",
    "FrameError",
    "GPUBatchProcessor",
    "Objective",
    "OptimalPrice",
    "PricingConfig",
    "PricingInputs",
    "PricingResult",
    "available_devices",
    "fit_elasticities",
    "objective_names",
    "optimize_ticks",
    "register_objective",
    "resolve_device",
]
