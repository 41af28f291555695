"""What policies said, version by version: who changed which limit, when and why."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.utils.text import capfirst
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.cells import sentence
from catalog.admin.explanation import Rows, scope_words
from catalog.admin.formatting import NOTHING, as_decimal, moment, number, percent
from catalog.models import GuardrailPolicyVersion
from catalog.services.policies import LIMITS

LIMIT_NAMES = {
    "min_margin": "minimum margin",
    "max_change": "maximum change",
    "max_change_per_day": "maximum change a day",
    "max_changes_per_day": "changes a day",
    "inventory_threshold": "not lowered below",
    "currency": "currency",
    "floor": "lowest price",
    "ceiling": "highest price",
    "map_price": "minimum advertised price",
    "competitor_min": "competitors at least",
    "competitor_max": "competitors at most",
    "price_endings": "price endings",
}
RATES = {"min_margin", "max_change", "max_change_per_day", "competitor_min", "competitor_max"}
HISTORY_HEADERS = ("Version", "Saved", "By", "What changed", "Why")
HISTORY_ROWS = 50


def history_rows(scope: str) -> Rows:
    """Return the newest versions of a scope's policy, each beside what the one before said."""
    newest = GuardrailPolicyVersion.objects.filter(scope=scope).select_related("author").order_by("-version")
    versions = list(newest[: HISTORY_ROWS + 1])
    before = {version.version + 1: version.limits for version in versions}
    return [
        [
            str(version.version),
            moment(version.saved_at),
            version.author.get_username() if version.author else NOTHING,
            changes_in_words(version.limits, before.get(version.version)),
            version.note or NOTHING,
        ]
        for version in versions[:HISTORY_ROWS]
    ]


def changes_in_words(limits: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> str:
    """Say what a version changed: "minimum margin 15 %, was 10 %; highest price none, was 9.99"."""
    if limits is None:
        return "no policy from here on"
    old = before or {}
    changed = [
        f"{LIMIT_NAMES[name]} {_value(name, limits.get(name))}"
        + (f", was {_value(name, old.get(name))}" if before is not None else "")
        for name in LIMITS
        if limits.get(name) != old.get(name) and not (before is None and limits.get(name) in (None, ""))
    ]
    return "; ".join(changed) or ("no limit" if before is None else "nothing")


def _value(name: str, value: Any) -> str:
    if value in (None, ""):
        return "none"
    if name in RATES:
        return percent(as_decimal(value), decimals=2, signed=name.startswith("competitor"))
    if name == "price_endings":
        return ", ".join(f"…{ending}" for ending in value) or "any"
    return f"{number(value)} units" if name == "inventory_threshold" else str(value)


@admin.register(GuardrailPolicyVersion)
class GuardrailPolicyVersionAdmin(ReadOnlyAdmin):
    list_display = ("scope_column", "version_figure", "saved_column", "author_column", "limits_column", "note")
    list_display_links = ("scope_column",)
    list_select_related = ("author",)
    search_fields = ("scope__startswith",)
    search_help_text = "Beginning of a scope: global, category:…, product:…, channel:…"
    fields = ("scope_text", "version", "saved_at", "author", "limits_text", "note")
    readonly_fields = ("scope_text", "limits_text")

    @display(description="Applied to")
    def scope_column(self, row: GuardrailPolicyVersion) -> str:
        return capfirst(scope_words(row.scope))

    @display(description="Version")
    def version_figure(self, row: GuardrailPolicyVersion) -> str:
        return number(row.version)

    @display(description="Saved")
    def saved_column(self, row: GuardrailPolicyVersion) -> str:
        return moment(row.saved_at)

    @display(description="By")
    def author_column(self, row: GuardrailPolicyVersion) -> str:
        return row.author.get_username() if row.author else NOTHING

    @display(description="Limits")
    def limits_column(self, row: GuardrailPolicyVersion) -> str:
        return sentence(changes_in_words(row.limits, None))

    @admin.display(description="Applied to")
    def scope_text(self, row: GuardrailPolicyVersion) -> str:
        return self.scope_column(row)

    @admin.display(description="Limits")
    def limits_text(self, row: GuardrailPolicyVersion) -> str:
        return changes_in_words(row.limits, None)
