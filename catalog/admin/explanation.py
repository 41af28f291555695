"""A stored explanation as tables for a page. Tolerant: an old or short explanation gives fewer rows, never an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.html import format_html

from catalog.admin.formatting import NOTHING, as_decimal, moment, money, number, percent
from catalog.models import Channel
from catalog.money import from_ticks
from catalog.plain_words import rule_words

Rows = list[list[str]]

GUARDRAIL_NAMES = {
    "min_margin_bp": "Minimum margin",
    "max_change_bp": "Maximum change",
    "max_change_per_day_bp": "Maximum change a day",
    "max_changes_per_day": "Changes a day",
    "inventory_threshold": "Not lowered with less stock than",
    "floor": "Lowest price",
    "ceiling": "Highest price",
    "map_price": "Minimum advertised price",
    "competitor_min_bp": "Competitors: at least",
    "competitor_max_bp": "Competitors: at most",
    "price_endings": "Price endings",
}
TICK_LIMITS = {"floor", "ceiling", "map_price"}


@dataclass(frozen=True)
class ExplanationTables:
    """What a decision knew, how the price came about, which limits held it, and what was expected of it."""

    model: str = ""
    objective: str = ""
    inputs: Rows = field(default_factory=list)
    clamps: Rows = field(default_factory=list)
    guardrails: Rows = field(default_factory=list)
    expected: Rows = field(default_factory=list)
    candidate: str = ""
    what_if: Rows = field(default_factory=list)

    @classmethod
    def of(cls, explanation: Mapping[str, Any] | None, channel: Channel) -> "ExplanationTables":
        stored = _mapping(explanation)
        candidate = as_decimal(stored.get("candidate"))
        return cls(
            model=str(stored.get("model") or ""),
            objective=str(stored.get("objective") or "").replace("_", " "),
            inputs=[
                *_inputs(_mapping(stored.get("inputs")), channel),
                *_checked(_mapping(stored.get("checked")), channel),
            ],
            clamps=_clamps(stored.get("clamps"), channel),
            guardrails=guardrail_rows(_mapping(stored.get("guardrails")), channel),
            expected=_expected(_mapping(stored.get("expected")), channel),
            candidate="" if candidate is None else money(candidate, channel),
            what_if=what_if_rows(_mapping(stored.get("what_if")), channel),
        )

    @property
    def clamp_headers(self) -> list[str]:
        return ["Held by", "From", "To"]

    @property
    def is_empty(self) -> bool:
        return not (self.inputs or self.clamps or self.guardrails or self.expected)


def guardrail_rows(limits: Mapping[str, Any], channel: Channel) -> Rows:
    """Return (limit, value, where it comes from) for limits of the form {name: {"value", "scope"}}."""
    rows = []
    for name, label in GUARDRAIL_NAMES.items():
        limit = _mapping(limits.get(name))
        if limit.get("value") not in (None, []):
            version = f", version {limit['policy_version']}" if limit.get("policy_version") else ""
            source = f"{scope_words(limit.get('scope'))}{version}"
            rows.append([label, _limit_value(name, limit["value"], channel), source])
    return rows


def what_if_rows(what_if: Mapping[str, Any], channel: Channel) -> Rows:
    """Return what a simulation supposed of this price; none where the price was computed for the real world."""
    rows = [["Simulation", str(what_if["simulation"])]] if what_if.get("simulation") else []
    for name, value in _mapping(what_if.get("guardrails")).items():
        label = GUARDRAIL_NAMES.get(f"{name}_bp", name)
        rows.append([label, percent(value, decimals=2, signed=name.startswith("competitor"))])
    if what_if.get("cost_change"):
        cost = money(what_if.get("real_unit_cost"), channel, exact=True)
        rows.append(["Unit cost", f"{percent(what_if['cost_change'], decimals=2, signed=True)} on {cost}"])
    return rows


def scope_words(scope: Any) -> str:
    """Name a scope as people do: ``category:mugs`` is "category mugs"."""
    known = {"default": "built-in default", "global": "policy for everything"}
    return known.get(str(scope), str(scope or NOTHING).replace(":", " ", 1))


def _limit_value(name: str, value: Any, channel: Channel) -> str:
    if name == "price_endings":
        return ", ".join(f"…{ending}" for ending in value)
    if name in TICK_LIMITS:
        return money(from_ticks(int(value), channel.currency_exponent), channel)
    if name.endswith("_bp"):
        rate = Decimal(int(value)) / 10_000
        return percent(rate, decimals=2, signed=name.startswith("competitor"))
    return number(value)


def _inputs(inputs: Mapping[str, Any], channel: Channel) -> Rows:
    amounts = {
        "current_price": "Price before",
        "unit_cost": "Unit cost",
        "competitor_price": "Competitors' median price",
        "day_start_price": "Price 24 hours before",
    }
    rows: Rows = []
    for name, label in amounts.items():
        entry = _mapping(inputs.get(name))
        if entry and name == "unit_cost" and entry.get("value") is None:
            rows.append([label, "unknown", moment(entry.get("at")), ""])
        elif entry:
            rows.append([label, money(entry.get("value"), channel, exact=True), moment(entry.get("at")), _note(entry)])
    stock = _mapping(inputs.get("inventory"))
    if stock:
        value = "not limited" if stock.get("value") is None else f"{number(stock['value'])} units"
        rows.append(["Stock", value, moment(stock.get("at")), _note(stock)])
    changes = _mapping(inputs.get("changes_today"))
    if changes:
        rows.append(
            ["Changes within 24 hours", number(changes.get("value")), f"since {moment(changes.get('since'))}", ""]
        )
    demand = _mapping(inputs.get("demand"))
    if demand:
        week = f"week of {moment(demand['week'])}" if demand.get("week") else NOTHING
        source = f"forecast by {demand['forecaster']}" if demand.get("forecaster") else ""
        rows.append(["Demand at that price", f"{number(demand.get('value'), decimals=1)} units a week", week, source])
    elasticity = _mapping(inputs.get("elasticity"))
    if elasticity:
        value = f"{number(elasticity.get('mean'), decimals=2)} ± {number(elasticity.get('sd'), decimals=2)}"
        fallback = "learned from sales" if elasticity.get("informed") else "prior only"
        rows.append(["Elasticity", value, NOTHING, str(elasticity.get("note") or fallback)])
    return rows


def _checked(checked: Mapping[str, Any], channel: Channel) -> Rows:
    """Return what the gate knew when it let the price pass."""
    cost = _mapping(checked.get("unit_cost"))
    if not cost:
        return []
    value = "unknown" if cost.get("value") is None else money(cost["value"], channel, exact=True)
    rules = [rule_words(str(rule)) for rule in checked.get("rules", [])]
    words = ", ".join(rules) or NOTHING
    if len(rules) > 1:
        words = format_html('<span title="{}">{} guardrails</span>', words, len(rules))
    return [
        ["Unit cost at the gate", value, moment(cost.get("at")), _note(cost)],
        ["Checked by the gate", words, moment(checked.get("at")), ""],
    ]


def _note(entry: Mapping[str, Any]) -> str:
    return "assumed" if entry.get("assumed") else ""


def _clamps(clamps: Any, channel: Channel) -> Rows:
    steps = [_mapping(step) for step in clamps] if isinstance(clamps, list) else []
    return [
        [
            rule_words(str(step.get("rule", ""))).capitalize(),
            "no limit" if step.get("before") is None else money(step["before"], channel),
            money(step.get("after"), channel),
        ]
        for step in steps
        if step
    ]


def _expected(expected: Mapping[str, Any], channel: Channel) -> Rows:
    rows: Rows = []
    if "demand" in expected:
        rows.append(["Units", f"{number(expected['demand'], decimals=1)} a week"])
    for name in ("revenue", "profit"):
        if name in expected:
            rows.append([name.capitalize(), f"{money(expected[name], channel)} a week"])
    span = expected.get("profit_90_percent")
    if isinstance(span, list) and len(span) == 2:
        rows.append(["Profit, 90 % interval", f"{money(span[0], channel)} to {money(span[1], channel)}"])
    if "profit_change" in expected:
        rows.append(["Change of profit", f"{money(expected['profit_change'], channel)} a week"])
    if "probability_better" in expected:
        rows.append(["Chance of more profit", percent(expected["probability_better"], decimals=0)])
    return rows


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
