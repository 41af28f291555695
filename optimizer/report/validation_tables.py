"""How a demand model did where it was tried, for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from optimizer.selectors.model_validation import METHOD_WORDS, THIRDS, in_percent, shares


def validation_tables(verdict: Mapping[str, Any]) -> list[Table]:
    """Return a table of what was recovered and one of the backtest, where a fit's verdict has them."""
    tables = []
    if recovery := verdict.get("recovery"):
        tables.append(_recovery_table(recovery))
    if backtest := verdict.get("backtest"):
        tables.append(_backtest_table(backtest))
    return tables


def _recovery_table(found: Mapping[str, Any]) -> Table:
    asked = [f"{in_percent(share)} held" for share, _ in shares(found["whole"]["coverage"])]
    table = Table(title="Elasticities of simulated sales, found again", title_justify="left")
    table.add_column("SKUs whose")
    for header in ("SKUs", *asked, "bias", "RMSE", "correlation", "shrinkage"):
        table.add_column(header, justify="right")
    parts = zip(("all", *THIRDS), (found["whole"], *found["thirds"]), strict=True)
    for name, part in parts:
        held = [in_percent(share, decimals=1) for _, share in shares(part["coverage"])]
        numbers = [f"{part[key]:.2f}" for key in ("bias", "rmse", "correlation", "shrinkage")]
        table.add_row(name, f"{part['skus']:,}", *held, *numbers)
    return table


def _backtest_table(found: Mapping[str, Any]) -> Table:
    table = Table(title="Mean absolute error of price changes, ln units", title_justify="left")
    table.add_column("method")
    for origin in found["origins"]:
        table.add_column(f"from {origin['from']}", justify="right")
    table.add_column("better by (90 % interval)", justify="right")
    for name, words in {"method": "its own", **METHOD_WORDS}.items():
        errors = [f"{origin['errors'][name]:.3f}" for origin in found["origins"]]
        table.add_row(words, *errors, _better_by(found["comparisons"].get(name)))
    return table


def _better_by(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    mean, low, high = (f"{100 * found[key]:+.1f}" for key in ("improvement", "low", "high"))
    return f"{mean} % ({low} to {high})"
