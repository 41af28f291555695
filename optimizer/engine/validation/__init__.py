"""Whether a model of demand can be trusted: on weeks that it has not seen, and where the truth is known."""

from .calibration import calibration
from .price_changes import Comparison, DemandLine, changed_prices, compare, price_change_errors, split_by_time
from .recovery import DemandBelief, ElasticityPosterior, Recovered, Recovery, recover

__all__ = [
    "Comparison",
    "DemandBelief",
    "DemandLine",
    "ElasticityPosterior",
    "Recovered",
    "Recovery",
    "calibration",
    "changed_prices",
    "compare",
    "price_change_errors",
    "recover",
    "split_by_time",
]
