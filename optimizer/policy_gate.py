"""The gate that a policy over a horizon passes before it is released: every rule and tolerance stands here.

First simulation, then shadow: asked beside markdown plans and not served. Neither Django nor the engine is loaded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LEAST_PROBLEMS: Final = 100
"""Simulated ones: the standard error of a mean share of 99 % is then below 0.15 %."""

LEAST_SHARE: Final = 0.99
"""Of the exact optimum, in the mean over simulated problems."""

LEAST_DECISIONS: Final = 200
LEAST_DAYS: Final = 14
WORSE_BY: Final = 0.005
"""Up to so much of the best expected profit below what the plans served, in the mean: steps of 5 % tell no finer."""


@dataclass(frozen=True)
class Shadow:
    """Hold what a policy would have done beside decisions of markdown plans.

    Args:
        decisions: how many it was asked about.
        days: from the first to the last of them, both counted.
        illegal: those below the cost, or above the price in force where prices may only fall.
        share: mean of what its prices are expected to bring, as a share of the best of five; None where none is known.
        served_share: the same of the prices that the plans served.
    """

    decisions: int
    days: int
    illegal: int
    share: float | None
    served_share: float | None


@dataclass(frozen=True)
class Check:
    """Hold one rule: what it asks for, what was found, and whether that passes."""

    rule: str
    found: str
    passes: bool


def policy_checks(scores: Mapping[str, Any], shadow: Shadow) -> list[Check]:
    """Return each rule with what was found.

    Args:
        scores: ``problems`` and, by policy, the ``mean`` share of the exact optimum; empty where it was not judged.
        shadow: what it would have done beside markdown plans.
    """
    return [*_in_simulation(scores), *_in_shadow(shadow)]


def _in_simulation(scores: Mapping[str, Any]) -> list[Check]:
    problems = scores.get("problems", 0)
    shares = {name: each["mean"] for name, each in scores.get("policies", {}).items()}
    mean, fluid = shares.get("dqn", 0.0), shares.get("fluid", 1.0)
    return [
        Check(f"judged on {LEAST_PROBLEMS} simulated problems at least", f"{problems:,}", problems >= LEAST_PROBLEMS),
        Check(f"{LEAST_SHARE:.0%} of the exact optimum there at least", f"{mean:.2%}", mean >= LEAST_SHARE),
        Check("more than the fluid model solved again", f"{mean:.2%} beside {fluid:.2%}", mean > fluid),
    ]


def _in_shadow(shadow: Shadow) -> list[Check]:
    known = shadow.share is not None and shadow.served_share is not None
    beside = f"{shadow.share:.2%} beside {shadow.served_share:.2%}" if known else "not known yet"
    return [
        Check(
            f"asked beside {LEAST_DECISIONS} decisions of markdown plans at least",
            f"{shadow.decisions:,}",
            shadow.decisions >= LEAST_DECISIONS,
        ),
        Check(f"over {LEAST_DAYS} days at least", f"{shadow.days:,}", shadow.days >= LEAST_DAYS),
        Check("no price that the plan may not take", f"{shadow.illegal:,}", shadow.illegal == 0),
        Check(
            f"expected profit at most {WORSE_BY:.1%} of the best one below that of the served prices",
            beside,
            known and shadow.share >= shadow.served_share - WORSE_BY,  # type: ignore[operator]  # known: numbers
        ),
    ]
