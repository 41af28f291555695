"""What a trained policy is worth, in a sentence. Web processes load this file: it must not lead to the engine."""

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Avg, Count, Min

from optimizer.models import HorizonPolicy

NAMES: Final = {
    "exact": "exact dynamic programme",
    "dqn": "Q-network",
    "fluid": "fluid model, solved again",
    "static": "best static price",
    "hold": "price held",
}


def policy_words(policy: HorizonPolicy) -> str:
    """Say which policy earns most, and how the network does beside it, on drawn problems and beside markdown plans."""
    if not policy.scores:
        return f"{policy} was not judged yet."
    shares = policy.scores["policies"]
    others = sorted((name for name in shares if name not in ("exact", "dqn")), key=lambda name: -shares[name]["mean"])
    beside = ", ".join(f"{NAMES[name]} {shares[name]['mean']:.1%}" for name in others)
    learned = policy.config.get("offline")
    log = f" It was learned from {learned['decisions']:,} decisions of markdown plans alone." if learned else ""
    return (
        f"Markdown plans are served by the exact dynamic programme. {policy} earns {shares['dqn']['mean']:.2%} of it on"
        f" {policy.scores['problems']} problems that it has not seen ({beside}).{log} {_shadow_words(policy)}"
    )


def _shadow_words(policy: HorizonPolicy) -> str:
    found = policy.decisions.filter(left_out="").aggregate(count=Count("pk"), mean=Avg("share"), lowest=Min("share"))
    if not found["count"]:
        return "It was not asked beside a markdown plan yet."
    return (
        f"Asked beside {found['count']:,} decision{'' if found['count'] == 1 else 's'} of markdown plans, what it"
        " would have done leaves"
        f" {found['mean']:.2%} of the best to be earned in the mean, {found['lowest']:.1%} at the least."
    )


def release_words(policy: HorizonPolicy) -> str:
    """Say whether a policy is released, and what that means beside the exact programme."""
    if policy.released_at is None:
        return f"{policy} is not released: it is only asked, beside what is served."
    return (
        f"{policy} is released: it may price where the exact programme cannot be solved. Every markdown plan of today"
        " can be, so that the exact programme goes on serving them all."
    )


def score_rows(scores: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return name, mean share of the exact optimum and that which the worst 5 % do not exceed, the best first."""
    rows = [(NAMES[name], each["mean"], each["worst"]) for name, each in scores["policies"].items()]
    return sorted(rows, key=lambda row: -row[1])
