"""What a run's goals came to, in words."""

from optimizer.models import OptimizationRun

SMALLEST_GAP = 1e-6


def certificate_words(run: OptimizationRun) -> str:
    """Return how good the prices are that were chosen for a run's goals; empty for a run without."""
    found = run.portfolio
    if "gap" not in found:
        return ""
    gap = max(float(found["gap"]), SMALLEST_GAP)
    objective = run.get_objective_display().lower()
    return (
        f"Of {found['options']:,} admissible prices for {found['skus']:,} products, no choice that meets the goals "
        f"brings more than {gap * 100:.2g} % more {objective}."
    )


def goal_words(run: OptimizationRun) -> list[str]:
    """Return what each goal of a run costs where it is, the dearest first."""
    return [str(goal["words"]) for goal in run.portfolio.get("goals", [])]
