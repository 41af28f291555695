"""The gate that a forecaster passes before it may go live: every rule and tolerance stands here, and nowhere else.

Judged on the horizon that it did not learn from, with the weighted quantile loss of what it would serve. Neither Django
nor the engine is loaded here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from optimizer.forecast_words import method_words, segment_words

ALL: Final = "all"
SERVED: Final = "served"
BASELINES: Final = ("seasonal_naive", "lightgbm")
WORSE_BY: Final = 0.02
"""Up to so much above another loss counts as even: one horizon of a shop tells no finer."""

LEAST_SHARE: Final = 0.01
"""Of the units sold, below which a kind of products is not judged by itself: too few to tell."""

LEAST_COVERAGE: Final = 0.75
MOST_COVERAGE: Final = 0.85
"""Between which the share of held-out steps within the 80 % intervals must lie. Where most steps sell nothing the
interval from 0 to 0 holds more than 80 % of them: the upper end may be met by randomised ranks instead."""

RULES: Final = (
    f"its loss is at most {100 * WORSE_BY:.0f} % above that of the best baseline, over all products and on each kind of"
    f" them with at least {100 * LEAST_SHARE:.0f} % of the units, and above that of the live forecaster;"
    f" {100 * LEAST_COVERAGE:.0f} to {100 * MOST_COVERAGE:.0f} % of the held-out steps lie in its 80 % intervals, or"
    f" more do and {100 * MOST_COVERAGE:.0f} % at most by randomised ranks, as where many steps sell nothing"
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class GateVerdict:
    """Hold whether a forecaster passes, all that was found in words, and what speaks against it.

    Args:
        passes: nothing speaks against it.
        words: what was found, then what speaks against it.
        refused_for: one entry for each rule that is broken.
        beside_best: its loss beside the best baseline's over all products, as a share: 0.01 is 1 % above.
    """

    passes: bool
    words: str
    refused_for: list[str] = field(default_factory=list)
    beside_best: float = 0.0


def gate_verdict(rows: Sequence[Row], *, loss_of_live: float | None = None, live: str = "") -> GateVerdict:
    """Judge a forecaster by its scores.

    Args:
        rows: scores by ``segment`` and ``method``, with ``wql``, ``coverage``, ``randomised`` and ``demand``; those of
            `served` on `all`, and of at least one of ``BASELINES``, are among them.
        loss_of_live: that of the live forecaster on the same steps, if there is one that can be read.
        live: its name.

    Raises:
        ValueError: no score of what is served, or of any baseline.
    """
    served, best = _served(rows, ALL), _best(rows, ALL)
    if served is None or best is None:
        raise ValueError(f"rows: got no score of {SERVED} or of {' or '.join(BASELINES)}; judge it by `judge` first")
    ranked = served.get("randomised", served["coverage"])
    words = [
        f"its loss of {served['wql']:.3f} is {_than(served, best['wql'])} that of {method_words(best['method'])}, the "
        "best of the simple methods",
        f"{100 * served['coverage']:.1f} % of the held-out steps lay in its 80 % intervals, {100 * ranked:.1f} % by "
        "randomised ranks",
    ]
    against = [] if _even(served, best["wql"]) else [f"at most {100 * WORSE_BY:.0f} % above it is let pass"]
    against += _worse_segments(rows, served["demand"])
    if served["coverage"] < LEAST_COVERAGE or min(served["coverage"], ranked) > MOST_COVERAGE:
        against.append(f"{100 * LEAST_COVERAGE:.0f} to {100 * MOST_COVERAGE:.0f} % must lie in the intervals")
    if loss_of_live is not None:
        words.append(f"the loss is {_than(served, loss_of_live)} that of {live}, which was live")
        if not _even(served, loss_of_live):
            against.append(f"at most {100 * WORSE_BY:.0f} % above the live one is let pass")
    return GateVerdict(not against, "; ".join([*words, *against]), against, _beside(served, best["wql"]))


def _worse_segments(rows: Sequence[Row], units: float) -> list[str]:
    found = []
    for segment in dict.fromkeys(row["segment"] for row in rows if row["segment"] != ALL):
        served, best = _served(rows, segment), _best(rows, segment)
        if served is None or best is None or served["demand"] < LEAST_SHARE * units:
            continue
        if not _even(served, best["wql"]):
            name = segment_words(segment).partition(":")[0]
            found.append(f"on {name} products it is {_than(served, best['wql'])} {method_words(best['method'])}")
    return found


def _served(rows: Sequence[Row], segment: str) -> Row | None:
    return next((row for row in rows if row["segment"] == segment and row["method"] == SERVED), None)


def _best(rows: Sequence[Row], segment: str) -> Row | None:
    tried = [row for row in rows if row["segment"] == segment and row["method"] in BASELINES]
    return min(tried, key=lambda row: row["wql"], default=None)


def _beside(row: Row, loss: float) -> float:
    return float(row["wql"]) / loss - 1 if loss else 0.0


def _even(row: Row, loss: float) -> bool:
    return bool(row["wql"] <= loss * (1 + WORSE_BY))


def _than(row: Row, loss: float) -> str:
    change = _beside(row, loss)
    return f"{100 * abs(change):.1f} % {'above' if change > 0 else 'below'}"
