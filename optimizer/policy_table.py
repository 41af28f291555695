"""The scores of policies over a horizon as commands print them."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from optimizer.policy_words import score_rows


def show_gate(console: Console, gate: Mapping[str, Any]) -> None:
    """Print each rule of a policy's gate with what was found."""
    table = Table("the gate asks for", "found", "", title="passes" if gate["passes"] else "does not pass")
    for check in gate["checks"]:
        table.add_row(check["rule"], check["found"], "yes" if check["passes"] else "no")
    console.print(table)


def show_scores(console: Console, scores: Mapping[str, Any]) -> None:
    table = Table("share of the exact optimum", "mean", "worst 5 %", title=f"{scores['problems']} problems")
    for name, *shares in score_rows(scores):
        table.add_row(name, *(f"{share:.2%}" for share in shares))
    console.print(table)
