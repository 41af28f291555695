"""The guard numbers of a run for people: tolerant of runs that have none, or an older set."""

from collections.abc import Mapping
from typing import Any

from catalog.admin.cells import admin_url
from catalog.admin.formatting import NOTHING, PERCENT, number, percent
from catalog.admin.formatting import whole_money as whole
from catalog.plain_words import refusal_words
from optimizer.models import OptimizationRun, Recommendation

OUTCOME_NOTES = {
    "published": "new prices in force",
    "unchanged": "the price in force is the best",
    "refused": "the publish gate said no",
    "unpriced": "no price could be found",
    "waiting": "not sent to the gate",
}


def run_cards(run: OptimizationRun) -> list[tuple[str, str, str]]:
    """Return (label, figure, note) for the few numbers that say what a run would do."""
    numbers = run.guard_numbers
    if not numbers:
        return []
    low, high = _pair(numbers.get("profit_change_90_percent"))
    span = f"{whole(low, run.channel)} to {whole(high, run.channel)} a week (90{PERCENT})" if low is not None else ""
    raised, lowered = number(numbers.get("raised")), number(numbers.get("lowered"))
    return [
        ("Products", number(numbers.get("listings")), f"{number(numbers.get('priced'))} with a price"),
        ("Prices changed", percent(numbers.get("share_changed")), f"{raised} raised, {lowered} lowered"),
        ("Mean size of a change", percent(numbers.get("mean_size")), "of those that change"),
        ("Expected revenue", percent(numbers.get("revenue_shift"), signed=True), _weekly(numbers, "revenue", run)),
        ("Expected profit", percent(numbers.get("profit_shift"), signed=True), span or _weekly(numbers, "profit", run)),
    ]


def outcome_rows(run: OptimizationRun) -> list[dict[str, Any]]:
    """Return each outcome with its count and the list of its recommendations."""
    names = dict(Recommendation.Outcome.choices)
    counts = _mapping(run.guard_numbers.get("outcomes"))
    return [
        {
            "name": str(names.get(outcome, outcome)),
            "count": number(counts[outcome]),
            "note": OUTCOME_NOTES.get(outcome, ""),
            "url": recommendations_url(run, outcome=outcome),
        }
        for outcome in sorted(counts, key=lambda outcome: -counts[outcome])
    ]


def reason_rows(run: OptimizationRun) -> list[dict[str, Any]]:
    """Return why SKUs were not priced or refused, the most frequent reason first."""
    reasons = _mapping(run.guard_numbers.get("reasons"))
    return [
        {
            "name": refusal_words(reason).capitalize(),
            "count": number(count),
            "url": recommendations_url(run, outcome_reason=reason),
        }
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]


def recommendations_url(run: OptimizationRun, **filters: str) -> str:
    query = "".join(f"&{name}__exact={value}" for name, value in filters.items())
    return f"{admin_url('optimizer_recommendation_changelist')}?run__exact={run.pk}{query}"


def duration(run: OptimizationRun) -> str:
    if run.finished_at is None:
        return NOTHING
    seconds = (run.finished_at - (run.released_at or run.created_at)).total_seconds()
    return f"{seconds:,.1f} s" if seconds < 120 else f"{seconds / 60:,.1f} min"


def _weekly(numbers: Mapping[str, Any], name: str, run: OptimizationRun) -> str:
    before, after = numbers.get(f"{name}_before"), numbers.get(f"{name}_after")
    return "" if before is None else f"{whole(before, run.channel)} → {whole(after, run.channel)} a week"


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (None, None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
