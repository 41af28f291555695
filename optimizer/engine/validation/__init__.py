"""Whether a model of demand can be trusted: on weeks that it has not seen."""

from .calibration import calibration
from .price_changes import Comparison, DemandLine, changed_prices, compare, price_change_errors, split_by_time

__all__ = [
    "Comparison",
    "DemandLine",
    "calibration",
    "changed_prices",
    "compare",
    "price_change_errors",
    "split_by_time",
]
