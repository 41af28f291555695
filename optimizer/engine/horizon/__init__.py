"""Prices over a horizon with a stock that is not refilled: the exact optimum, simple policies, and an environment.

The environment is imported by its own name, `optimizer.engine.horizon.environment`: it needs the extra `rl`. The
mathematics are in docs/math.md.
"""

from .batch import HorizonBatch
from .draw import ProblemRanges, draw_problems
from .dynamic_programme import Solution, evaluate_policy, solve_free_choice, solve_steps
from .ladder import ACTIONS, STEP
from .policies import best_static_price, hold_price, resolved_fluid
from .policy import Policy, step_towards
from .problem import HorizonProblem
from .share import share_of_optimum

__all__ = [
    "ACTIONS",
    "STEP",
    "HorizonBatch",
    "HorizonProblem",
    "Policy",
    "ProblemRanges",
    "Solution",
    "best_static_price",
    "draw_problems",
    "evaluate_policy",
    "hold_price",
    "resolved_fluid",
    "share_of_optimum",
    "solve_free_choice",
    "solve_steps",
    "step_towards",
]
