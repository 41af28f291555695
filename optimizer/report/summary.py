"""A run in a few lines for the terminal."""

from rich.table import Table

from optimizer.models import OptimizationRun
from optimizer.selectors.portfolios import certificate_words, goal_words


def summary_table(run: OptimizationRun) -> Table:
    """Return the guard numbers of a finished run as a table."""
    numbers, currency = run.guard_numbers, run.channel.currency
    table = Table("", "", title=f"{run.get_objective_display()} run {run.pk}: {run.status}", title_justify="left")
    if run.error:
        table.add_row("note", run.error)
    if not numbers:
        return table
    low, high = numbers["profit_change_90_percent"]
    table.add_row("SKUs priced", f"{numbers['priced']:,} of {numbers['listings']:,}")
    table.add_row("prices changed", f"{numbers['changed']:,}: {numbers['raised']:,} up, {numbers['lowered']:,} down")
    table.add_row(
        "expected profit a week",
        f"{numbers['profit_before']:,.0f} → {numbers['profit_after']:,.0f} {currency} ({numbers['profit_shift']:+.1%})",
    )
    table.add_row("its change, 90 % interval", f"{low:+,.0f} to {high:+,.0f} {currency}")
    table.add_row(
        "expected revenue a week",
        f"{numbers['revenue_before']:,.0f} → {numbers['revenue_after']:,.0f} {currency} "
        f"({numbers['revenue_shift']:+.1%})",
    )
    if certificate := certificate_words(run):
        table.add_row("goals", "\n".join([certificate, *goal_words(run)]))
    for outcome, count in numbers["outcomes"].items():
        table.add_row(f"outcome: {outcome}", f"{count:,}")
    for reason, count in numbers["reasons"].items():
        table.add_row(f"reason: {reason}", f"{count:,}")
    table.add_row("device", run.device)
    return table
