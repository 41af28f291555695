"""Policies over a horizon: what was learned, how it does, and what it would have done beside markdown plans."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.formatting import NOTHING, moment, percent
from optimizer.admin.elasticity import pretty_json
from optimizer.models import HorizonPolicy, ShadowDecision
from optimizer.policy_gate import policy_checks
from optimizer.policy_words import policy_words, release_words, score_rows
from optimizer.selectors.policy_shadow import shadow_of


@admin.register(HorizonPolicy)
class HorizonPolicyAdmin(ReadOnlyAdmin):
    list_display = ("name_column", "channel", "share_figure", "created_column", "created_by")
    list_filter = ("channel",)
    list_select_related = ("channel", "created_by")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "channel",
                    "words",
                    "scores_list",
                    "gate_list",
                    "release_text",
                    "created_column",
                    "created_by",
                    "job",
                )
            },
        ),
        ("How it was trained", {"fields": ("time_figure", "config_text")}),
    )
    readonly_fields = (
        "words",
        "scores_list",
        "gate_list",
        "release_text",
        "created_column",
        "time_figure",
        "config_text",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("artefact")

    @display(description="Policy")
    def name_column(self, policy: HorizonPolicy) -> str:
        return str(policy)

    @display(description="Share of the optimum")
    def share_figure(self, policy: HorizonPolicy) -> str:
        return percent(policy.scores["policies"]["dqn"]["mean"], decimals=2) if policy.scores else NOTHING

    @display(description="What it is worth")
    def words(self, policy: HorizonPolicy) -> str:
        return policy_words(policy)

    @display(description="Shares of the optimum: mean, worst 5 %")
    def scores_list(self, policy: HorizonPolicy) -> str:
        if not policy.scores:
            return NOTHING
        rows = (
            (name, ", ".join(percent(share, decimals=2) for share in shares))
            for name, *shares in score_rows(policy.scores)
        )
        return format_html_join("", "<div>{}: {}</div>", rows)

    @display(description="What its gate asks for")
    def gate_list(self, policy: HorizonPolicy) -> str:
        checks = policy_checks(policy.scores, shadow_of(policy))
        rows = (("✓" if check.passes else "✗", check.rule, check.found) for check in checks)
        return format_html_join("", "<div>{} {}: {}</div>", rows)

    @display(description="Whether it is released")
    def release_text(self, policy: HorizonPolicy) -> str:
        return release_words(policy)

    @display(description="Learned")
    def created_column(self, policy: HorizonPolicy) -> str:
        return moment(policy.created_at)

    @display(description="Trained for")
    def time_figure(self, policy: HorizonPolicy) -> str:
        return f"{policy.seconds:,.0f} s on {policy.device}, {policy.updates:,} updates"

    @display(description="Configuration")
    def config_text(self, policy: HorizonPolicy) -> str:
        return pretty_json(policy.config)


@admin.register(ShadowDecision)
class ShadowDecisionAdmin(ReadOnlyAdmin):
    list_display = (
        "step",
        "policy",
        "price_figure",
        "best_figure",
        "share_figure",
        "served_figure",
        "left_out",
        "decided_column",
    )
    list_filter = ("policy",)
    list_select_related = ("policy", "step__plan__listing__product")
    fields = (
        "policy",
        "step",
        "price_figure",
        "best_figure",
        "share_figure",
        "served_figure",
        "left_out",
        "decided_column",
    )
    readonly_fields = ("price_figure", "best_figure", "share_figure", "served_figure", "decided_column")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("policy", "step").defer("policy__artefact")

    @display(description="Its price")
    def price_figure(self, decision: ShadowDecision) -> str:
        return NOTHING if decision.price is None else f"{decision.price:,.2f}"

    @display(description="Best price")
    def best_figure(self, decision: ShadowDecision) -> str:
        return NOTHING if decision.best_price is None else f"{decision.best_price:,.2f}"

    @display(description="Share of the best")
    def share_figure(self, decision: ShadowDecision) -> str:
        return percent(decision.share, decimals=2)

    @display(description="Of the served price")
    def served_figure(self, decision: ShadowDecision) -> str:
        return percent(decision.served_share, decimals=2)

    @display(description="Asked")
    def decided_column(self, decision: ShadowDecision) -> str:
        return moment(decision.decided_at)
