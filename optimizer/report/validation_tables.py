"""How a demand model did where it was tried, for the terminal."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from rich.table import Table

from optimizer.selectors.model_validation import SHORT_WORDS, THIRDS, in_percent, shares


def validation_tables(verdict: Mapping[str, Any]) -> list[Table]:
    """Return a table of what was recovered and one of the backtest, where a fit's verdict has them."""
    tables = []
    if recovery := verdict.get("recovery"):
        tables.append(_recovery_table(recovery))
    if backtest := verdict.get("backtest"):
        tables.append(_backtest_table(backtest))
    return tables


def _recovery_table(found: Mapping[str, Any]) -> Table:
    parts = [found["whole"], *found["thirds"]]
    table = Table("", title="Elasticities of simulated sales, found again", title_justify="left")
    for header in ("all SKUs", *THIRDS):
        table.add_column(header, justify="right")
    table.add_row("SKUs", *(f"{part['skus']:,}" for part in parts))
    for held in zip(*(shares(part["coverage"]) for part in parts), strict=True):
        table.add_row(f"{in_percent(held[0][0])} intervals held", *(in_percent(each, decimals=1) for _, each in held))
    for key in ("bias", "rmse", "correlation", "shrinkage"):
        table.add_row(key, *(f"{part[key]:.2f}" for part in parts))
    return table


def _backtest_table(found: Mapping[str, Any]) -> Table:
    table = Table("error in weeks from", title="Price changes not seen, ln units", title_justify="left")
    for origin in found["origins"]:
        table.add_column(f"{date.fromisoformat(origin['from']):%-d %b}", justify="right")
    table.add_column("better by (90 % interval)", justify="right")
    for name, words in {"method": "its own", **SHORT_WORDS}.items():
        errors = [f"{origin['errors'][name]:.3f}" for origin in found["origins"]]
        table.add_row(words, *errors, _better_by(found["comparisons"].get(name)))
    return table


def _better_by(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    mean, low, high = (f"{100 * found[key]:+.1f}" for key in ("improvement", "low", "high"))
    return f"{mean} % ({low} to {high})"
