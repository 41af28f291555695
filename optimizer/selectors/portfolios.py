"""What a run's goals came to, in words."""

import math

from optimizer.models import OptimizationRun

SMALLEST_GAP = 1e-6


def _at_most(fraction: float) -> str:
    """Return a percentage of two digits, rounded up: it is said to be a bound."""
    percent = max(fraction, SMALLEST_GAP) * 100
    step = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{math.ceil(percent / step - 1e-9) * step:.2g} %"


def certificate_words(run: OptimizationRun) -> str:
    """Return how good the prices are that were chosen for a run's goals, and whether they count what prices do to other
    products; empty for a run without."""
    found = run.portfolio
    if "gap" not in found:
        return ""
    gap = float(found["gap"])
    objective = run.get_objective_display().lower()
    certificate = (
        f"Of {found['options']:,} admissible prices for {found['skus']:,} products, no choice that meets the goals "
        f"brings more than {_at_most(gap / (1 - gap))} more {objective}."
    )
    return f"{certificate} {found['cross']['words']}" if "cross" in found else certificate


def goal_words(run: OptimizationRun) -> list[str]:
    """Return what each goal of a run costs where it is, the dearest first."""
    return [str(goal["words"]) for goal in run.portfolio.get("goals", [])]
