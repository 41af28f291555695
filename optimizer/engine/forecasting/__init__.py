"""Demand ahead, with honest uncertainty: `train_forecaster(panel, config)`, then `forecaster.forecast(panel)`.

`to_bytes` and `from_bytes` keep a forecaster; `backtest` says how it would have done. `ForecasterConfig()` is for days,
`weekly_config()` for weeks. LightGBM is used where the extra `forecast` is installed.
"""

from .artefact import from_bytes, to_bytes
from .backtest import ALL, SERVED, BacktestReport, Score, backtest, judge
from .boosting import boosting_is_installed
from .config import LEVELS, ForecasterConfig, weekly_config
from .forecaster import BOOSTING, NAIVE, Forecast, Forecaster, train_forecaster
from .panel import SeriesPanel
from .segments import SEGMENTS, segments

__all__ = [
    "ALL",
    "BOOSTING",
    "LEVELS",
    "NAIVE",
    "SEGMENTS",
    "SERVED",
    "BacktestReport",
    "Forecast",
    "Forecaster",
    "ForecasterConfig",
    "Score",
    "SeriesPanel",
    "backtest",
    "boosting_is_installed",
    "from_bytes",
    "judge",
    "segments",
    "to_bytes",
    "train_forecaster",
    "weekly_config",
]
