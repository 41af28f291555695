"""What the planner found, for the page of an experiment."""

from collections.abc import Sequence
from typing import Any

from catalog.admin.charts import LEFT, RIGHT, WIDTH, Chart, Tick, _scale, _vertical
from catalog.admin.formatting import NOTHING, number, percent
from experiments.models import PriceExperiment

ARM_HEADERS = ("Arm", "Price", "Share", "Listings", "Units", "Metric a day", "Level", "Trend", "Price gap")
REFUSED_HEADERS = ("Why", "Listings", "Such as")
BALANCED = 0.1


def plan_panel(row: PriceExperiment) -> dict[str, Any]:
    """Return cards, tables and charts of a plan; empty where none was worked out."""
    plan = row.plan
    if not plan:
        return {}
    return {
        "cards": _cards(plan),
        "problems": plan.get("problems", []),
        "warnings": plan.get("warnings", []) if row.started_at is None else [],
        "arm_headers": ARM_HEADERS,
        "arms": [_arm(arm) for arm in plan.get("arms", [])],
        "refused_headers": REFUSED_HEADERS,
        "refused": [_refused(each) for each in plan.get("refused", {}).values()],
        "interference": _interference(plan.get("interference", {})),
        "charts": balance_chart(plan.get("pairs", [])),
    }


def balance_chart(pairs: Sequence[Sequence[float]]) -> list[Chart]:
    """Draw each pair as a point, the control's metric a day against the other's, and where both are the same."""
    if len(pairs) < 2:
        return []
    top = max(max(pair) for pair in pairs)
    low = min(0.0, *(min(pair) for pair in pairs))
    levels, y = _vertical(low, top)
    x = _scale(levels[0], levels[-1], LEFT, WIDTH - RIGHT)
    return [
        Chart(
            title="Matched pairs: metric a day of the control (across) and of the other (up)",
            path="",
            guide=f"M{x(levels[0])} {y(levels[0])}L{x(levels[-1])} {y(levels[-1])}",
            x_ticks=[Tick(x(level), number(level)) for level in levels],
            y_ticks=[Tick(y(level), number(level)) for level in levels],
            dots=[(x(a), y(b), f"{number(a, decimals=1)} and {number(b, decimals=1)}") for a, b in pairs],
        )
    ]


def _cards(plan: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = plan.get("precision", {})
    listings = ("Listings", number(plan.get("listings")), f"{number(plan.get('outside_buckets'))} in others' buckets")
    if "power" not in found:
        return [listings, ("Power", "not known", "")]
    needed = found["days_needed"]
    return [
        listings,
        ("Power", percent(found["power"], decimals=0), f"in {found['horizon_days']} days"),
        ("Effect found", percent(found["detectable_effect"]), "with the wanted power"),
        ("Days needed", "over a year" if needed is None else str(needed), "in whole weeks"),
        ("Looks cost", percent(found["looks_cost"] - 1, decimals=0), "more units than one look"),
    ]


def _arm(arm: dict[str, Any]) -> list[str]:
    gaps = arm.get("differences", {})
    return [
        arm["name"],
        percent(arm["price_change"], signed=True),
        percent(arm["share"] / 10_000),
        number(arm.get("listings")),
        number(arm.get("units")),
        number(arm.get("metric_a_day"), decimals=2),
        *(_gap(gaps.get(name)) for name in ("level", "trend", "price")),
    ]


def _gap(gap: float | None) -> str:
    if gap is None:
        return NOTHING
    return f"{number(gap, decimals=2)} sd" + ("" if abs(gap) <= BALANCED else " !")


def _refused(each: dict[str, Any]) -> list[str]:
    return [each["why"], number(each["count"]), ", ".join(each["skus"][:5])]


def _interference(found: dict[str, Any]) -> list[list[str]]:
    if "here" not in found:
        return [["Substitutes", found["why"]]] if found.get("why") else []
    source = (
        "learned from sales" if found["source"] == "learned" else "nothing learned: all of a category taken for such"
    )
    rows = [
        ["Substitutes", f"{number(found['pairs'])} pairs, {source}"],
        ["Sales with a substitute in another arm", percent(found["here"]["exposed_share"], decimals=0)],
        ["Bias of this design", f"{percent(found['here']['bias'], signed=True)}, bearable {percent(found['bound'])}"],
    ]
    if found.get("by_category"):
        rows.append(["Bias where categories are drawn", percent(found["by_category"]["bias"], signed=True)])
    if found.get("proposal"):
        rows.append(["Proposal", "draw categories instead of SKUs"])
    return rows
