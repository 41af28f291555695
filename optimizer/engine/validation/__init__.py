"""Whether a model of demand can be trusted: on weeks that it has not seen, and where the truth is known."""

from .backtest import Backtest, backtest
from .calibration import calibration
from .price_changes import (
    Comparison,
    DemandLine,
    TooLittleToTry,
    changed_prices,
    compare,
    price_change_errors,
    split_by_time,
)
from .recovery import DemandBelief, ElasticityPosterior, Recovered, Recovery, recover
from .simple_methods import simple_methods

__all__ = [
    "Backtest",
    "Comparison",
    "DemandBelief",
    "DemandLine",
    "ElasticityPosterior",
    "Recovered",
    "Recovery",
    "TooLittleToTry",
    "backtest",
    "calibration",
    "changed_prices",
    "compare",
    "price_change_errors",
    "recover",
    "simple_methods",
    "split_by_time",
]
