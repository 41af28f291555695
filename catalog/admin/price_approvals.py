"""The inbox: prices that wait for a second person, with what is at stake; approve and reject, one or many."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import (
    SOURCE_COLOURS,
    admin_url,
    listing_name,
    product_cell,
    run_url,
    sentence,
    with_note,
)
from catalog.admin.explanation import ExplanationTables
from catalog.admin.formatting import moment, money, percent, whole_money
from catalog.admin.group_words import tell_broken_relations
from catalog.models import PriceApproval
from catalog.models.listing import PriceSource
from catalog.plain_words import refusal_words
from catalog.selectors.price_approvals import COUNTED_AT_MOST, price_approvals, waiting_count
from catalog.services.price_approvals import approve_prices, reject_prices

STATUS_COLOURS = {
    "waiting": "warning",
    "approved": "success",
    "rejected": "danger",
    "expired": "default",
    "superseded": "default",
}
COMMENT_LENGTH = 300


def waiting_badge(request: HttpRequest) -> str:
    """Return what the navigation shows beside the inbox."""
    waiting = waiting_count()
    return f"{COUNTED_AT_MOST}+" if waiting > COUNTED_AT_MOST else str(waiting or "")


class CommentForm(ActionForm):
    comment = forms.CharField(
        required=False,
        max_length=COMMENT_LENGTH,
        label="",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Comment"}),
    )


@admin.register(PriceApproval)
class PriceApprovalAdmin(ReadOnlyAdmin, SearchBySku):
    action_form = CommentForm
    actions = ("approve_selected", "reject_selected")
    change_form_outer_before_template = "catalog/admin/approval_panel.html"
    list_display = (
        "product_column",
        "price_figure",
        "revenue_figure",
        "risks_column",
        "source_column",
        "expires_column",
        "status_column",
    )
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel", "requested_by", "decided_by")
    list_filter = ("status", "source", "listing__channel")
    fieldsets = (
        (
            "For support",
            {"classes": ("collapse",), "fields": ("binding_rule", "expected_version", "idempotency_key")},
        ),
        ("Explanation as stored", {"classes": ("collapse",), "fields": ("explanation",)}),
    )

    def name_of(self, row: PriceApproval) -> str:
        return listing_name(row.listing)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceApproval]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_priceapproval")

    def get_urls(self) -> list[Any]:
        decide = path(
            "<int:approval_id>/decide/",
            self.admin_site.admin_view(self.decide_view),
            name="catalog_priceapproval_decide",
        )
        return [decide, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            context["panel"] = self.panel(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, request: HttpRequest, row: PriceApproval) -> dict[str, Any]:
        channel = row.listing.channel
        waits = row.status == PriceApproval.Status.WAITING
        own = row.requested_by_id is not None and row.requested_by_id == request.user.pk
        return {
            "headline": _risk_words(row),
            "cards": [
                ("New price", money(row.price, channel), f"now {money(row.price_before, channel)}"),
                ("Change", percent(row.change, signed=True), ""),
                ("Revenue a week", whole_money(row.revenue_at_stake, channel), "at stake"),
                ("Asked by", _asked_by(row), moment(row.requested_at)),
                ("Status", row.get_status_display(), f"expires {moment(row.expires_at)}" if waits else ""),
            ],
            "reason": row.reason,
            "decided": _decided_words(row),
            "is_own": waits and own,
            "decide_url": reverse("admin:catalog_priceapproval_decide", args=[row.pk])
            if waits and not own and self.has_approve_permission(request)
            else "",
            "tables": ExplanationTables.of(row.explanation, channel),
            "listing_url": admin_url("catalog_listing_change", row.listing_id),
            "run_url": run_url(row.run_id),
        }

    def decide_view(self, request: HttpRequest, approval_id: int) -> HttpResponse:
        """Take one decision from the buttons of an approval's page."""
        row = get_object_or_404(price_approvals(), pk=approval_id)
        back = reverse("admin:catalog_priceapproval_change", args=[row.pk])
        if request.method != "POST":
            return HttpResponseRedirect(back)
        if not self.has_approve_permission(request):
            return HttpResponse("You may not decide on prices.", status=403)
        if row.requested_by_id is not None and row.requested_by_id == request.user.pk:
            return HttpResponse("You asked for this price: somebody else must decide on it.", status=403)
        decide = approve_prices if request.POST.get("decision") == "approve" else reject_prices
        done = self._decide(request, [row], decide, request.POST.get("comment", ""))
        inbox = reverse("admin:catalog_priceapproval_changelist") + "?status__exact=waiting"
        return HttpResponseRedirect(inbox if done else back)

    @admin.action(description="Approve and publish", permissions=["approve"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[PriceApproval]) -> None:
        self._decide(request, list(queryset), approve_prices, request.POST.get("comment", ""))

    @admin.action(description="Reject", permissions=["approve"])
    def reject_selected(self, request: HttpRequest, queryset: QuerySet[PriceApproval]) -> None:
        self._decide(request, list(queryset), reject_prices, request.POST.get("comment", ""))

    def _decide(
        self, request: HttpRequest, rows: list[PriceApproval], decide: Callable[..., dict[int, str]], comment: str
    ) -> bool:
        names = {row.pk: listing_name(row.listing) for row in rows}
        failed = decide(
            approval_ids=sorted(names), by=request.user, now=timezone.now(), comment=comment[:COMMENT_LENGTH]
        )
        verb = "approved and published" if decide is approve_prices else "rejected"
        if done := len(names) - len(failed):
            self.message_user(request, f"{done} {verb}.", messages.SUCCESS)
        if decide is approve_prices:
            tell_broken_relations(request, [row.listing for row in rows if row.pk not in failed])
        for pk, why in failed.items():
            self.message_user(request, f"{names[pk]}: {refusal_words(why)}", messages.ERROR)
        return not failed

    @display(description="Product", header=True)
    def product_column(self, row: PriceApproval) -> list[str]:
        return product_cell(row.listing)

    @display(description="Price")
    def price_figure(self, row: PriceApproval) -> str:
        channel = row.listing.channel
        step = f"{money(row.price_before, channel)} → {money(row.price, channel)}"
        return with_note(step, percent(row.change, signed=True))

    @display(description="Revenue a week")
    def revenue_figure(self, row: PriceApproval) -> str:
        return whole_money(row.revenue_at_stake, row.listing.channel)

    @display(description="Why it waits")
    def risks_column(self, row: PriceApproval) -> str:
        return sentence(_risk_words(row))

    @display(description="Source", label=SOURCE_COLOURS)
    def source_column(self, row: PriceApproval) -> str:
        return row.get_source_display()

    @display(description="Expires")
    def expires_column(self, row: PriceApproval) -> str:
        return with_note(moment(row.expires_at), f"by {_asked_by(row)}")

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, row: PriceApproval) -> str:
        return row.get_status_display().lower()


def _asked_by(row: PriceApproval) -> str:
    if row.requested_by:
        return row.requested_by.get_username()
    return f"the {row.get_source_display()}" if PriceSource(row.source).is_automatic else "no named person"


def _risk_words(row: PriceApproval) -> str:
    words = "; ".join(row.risks)
    return words[:1].upper() + words[1:]


def _decided_words(row: PriceApproval) -> str:
    if row.status == PriceApproval.Status.WAITING:
        return ""
    who = f" by {row.decided_by.get_username()}" if row.decided_by else ""
    comment = f": {row.comment}" if row.comment else ""
    return f"{row.get_status_display().capitalize()}{who}, {moment(row.decided_at)}{comment}"
