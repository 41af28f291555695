"""How far a demand model can be trusted, in plain words: its page, the report and the terminal say the same."""

import math
from collections.abc import Mapping
from typing import Any, Final

METHOD_WORDS: Final = {
    "ols": "least squares for each SKU alone",
    "pooled": "one elasticity for all SKUs",
    "fixed_prior": "the same fixed prior for all SKUs",
}
SHORT_WORDS: Final = {"ols": "each SKU alone", "pooled": "one for all SKUs", "fixed_prior": "a fixed prior"}
THIRDS: Final = ("moved least", "in between", "moved most")
"""Of SKUs, by how much their own prices moved."""

FAR: Final = 0.05
"""Shares of weeks or SKUs that lie nearer to what was asked for say nothing against the intervals."""


def shares(found: Mapping[str, float]) -> list[tuple[float, float]]:
    """Return (asked for, held) from stored shares such as {"90%": 0.88}, the least asked for first."""
    return sorted((float(asked.rstrip("%")) / 100, held) for asked, held in found.items())


def in_percent(share: float, *, decimals: int = 0) -> str:
    return f"{100 * share:.{decimals}f} %"


def validation_words(verdict: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each way in which a fit was tried; none where it was not."""
    sentences = [
        _calibration_words(verdict.get("calibration")),
        _recovery_words(verdict.get("recovery")),
        _backtest_words(verdict.get("backtest")),
    ]
    return [sentence for sentence in sentences if sentence]


def _calibration_words(found: Mapping[str, float] | None) -> str:
    if not found:
        return ""
    held = found["90%"]
    judged = _judged(held, FAR)
    return f"Of 90 % intervals {in_percent(held)} held what was sold in weeks that it had not seen{judged}."


def _recovery_words(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    whole, (least, _, most) = found["whole"], found["thirds"]
    held, skus = whole["coverage"]["90%"], whole["skus"]
    judged = _judged(held, max(FAR, 3 * math.sqrt(0.09 / skus)))
    return (
        f"Of 90 % intervals {in_percent(held)} held the truth in sales that were simulated for {skus:,} SKUs at their "
        f"real prices{judged}; its estimates were {most['rmse']:.2f} away from it where prices moved most, "
        f"{least['rmse']:.2f} where they moved least."
    )


def _backtest_words(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    comparisons = found["comparisons"]
    rows = comparisons["ols"]["rows"]
    beside = ", ".join(f"{_difference(comparisons[name])} {words}" for name, words in METHOD_WORDS.items())
    times = "once" if len(found["origins"]) == 1 else f"{len(found['origins'])} times"
    return (
        f"Learned {times} from the weeks before and tried on the next {found['held_weeks']}, its error of {rows:,} "
        f"price changes was {beside}."
    )


def _judged(held: float, far: float) -> str:
    """Say what a share of 90 % intervals comes to."""
    if held < 0.9 - far:
        return ": too few, it is surer than it should be"
    if held > 0.9 + far:
        return ": too many, it knows more than it says"
    return ", as they should"


def _difference(found: Mapping[str, Any]) -> str:
    if found["low"] <= 0 <= found["high"]:
        return "not to be told from that of"
    side = "smaller" if found["improvement"] > 0 else "larger"
    return f"{in_percent(abs(found['improvement']), decimals=1)} {side} than that of"
