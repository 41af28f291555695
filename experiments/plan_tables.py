"""A plan as tables for a terminal."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from experiments.models import PriceExperiment


def plan_tables(experiment: PriceExperiment) -> Group:
    """Return what the planner found: arms, refused listings, precision, interference, and what to mind."""
    plan = experiment.plan or {}
    parts: list[Any] = [_arms(experiment, plan)]
    if plan.get("refused"):
        parts.append(_refused(plan["refused"]))
    parts.append(_facts(plan))
    parts += [Text(f"problem: {words}", style="red") for words in plan.get("problems", [])]
    parts += [Text(f"note: {words}", style="yellow") for words in plan.get("warnings", [])]
    return Group(*parts)


def _arms(experiment: PriceExperiment, plan: dict[str, Any]) -> Table:
    table = Table(title=f"{experiment.code}: {experiment.get_design_display()}", title_justify="left")
    for name in ("arm", "price", "share", "listings", "units", "metric a day", "level", "trend", "price gap"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for arm in plan.get("arms", []):
        gaps = arm.get("differences", {})
        table.add_row(
            arm["name"],
            f"{float(arm['price_change']):+.1%}",
            f"{arm['share'] / 100:g} %",
            *(_count(arm.get(name)) for name in ("listings", "units")),
            "" if "metric_a_day" not in arm else f"{arm['metric_a_day']:,.2f}",
            *("" if name not in gaps else f"{gaps[name]:+.2f}" for name in ("level", "trend", "price")),
        )
    return table


def _refused(refused: dict[str, Any]) -> Table:
    table = Table(title="Not tried", title_justify="left")
    table.add_column("why")
    table.add_column("listings", justify="right")
    table.add_column("such as")
    for each in refused.values():
        table.add_row(each["why"], _count(each["count"]), ", ".join(each["skus"][:3]))
    return table


def _facts(plan: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    for name, words in [*_precision(plan.get("precision", {})), *_interference(plan.get("interference", {}))]:
        table.add_row(name, words)
    return table


def _precision(found: dict[str, Any]) -> list[tuple[str, str]]:
    if "power" not in found:
        return [("power", f"not known: {found.get('unknown', 'nothing was drawn')}")]
    needed = found["days_needed"]
    return [
        ("power", f"{found['power']:.0%} in {found['horizon_days']} days"),
        ("effect found", f"{found['detectable_effect']:.1%} with the wanted power"),
        ("days needed", "more than a year" if needed is None else str(needed)),
        ("looks cost", f"{found['looks_cost'] - 1:.0%} more units"),
    ]


def _interference(found: dict[str, Any]) -> list[tuple[str, str]]:
    if "here" not in found:
        return [("interference", found.get("why", "not looked at"))]
    here, source = found["here"], found["source"].replace("_", " ")
    rows = [("interference", f"{here['bias']:+.1%} bias, {here['exposed_share']:.0%} of sales exposed ({source})")]
    if found.get("by_category"):
        rows.append(("by category", f"{found['by_category']['bias']:+.1%} bias"))
    if found["proposal"]:
        rows.append(("proposal", "draw categories instead of SKUs"))
    return rows


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
