"""Markdown plans: sell a stock down to a target until a date, at the prices that bring most.

Pure: numpy and the standard library only, because the web processes preview plans with it. It stands beside the engine,
not inside: `optimizer.engine` loads torch. The mathematics are in docs/math.md.
"""

from .forecast import MarkdownForecast, forecast_markdowns
from .ladder import MAX_RUNGS, price_ladder
from .policy import MarkdownPolicy, solve_markdowns
from .problem import UNLIMITED, MarkdownProblem

__all__ = [
    "MAX_RUNGS",
    "UNLIMITED",
    "MarkdownForecast",
    "MarkdownPolicy",
    "MarkdownProblem",
    "forecast_markdowns",
    "price_ladder",
    "solve_markdowns",
]
