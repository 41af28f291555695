"""Rolling a run back: the page that asks first, and what became of each price."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import admin_url, listing_name, product_cell
from catalog.admin.formatting import NOTHING, moment, money, number
from catalog.models import PriceChange, RolledBackPrice, RunRollback
from catalog.plain_words import refusal_words
from catalog.selectors.rollbacks import SHOWN_AT_MOST, RollbackPreview, rollback_of, rollback_preview
from catalog.services.roll_back import MAX_REASON, CannotRollBack, roll_back_run
from optimizer.models import OptimizationRun

PERMISSION = "optimizer.add_optimizationrun"  # the one that the API asks of a person for the same call
OUTCOME_COLOURS = {"restored": "success", "changed since": "default", "refused": "danger"}


class RollBackForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON,
        widget=UnfoldAdminTextInputWidget(),
        label="Reason",
        help_text="Stands in the ledger beside every price that comes back.",
        error_messages={"required": "Say why the run is rolled back."},
    )


def may_roll_back(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def roll_back_page(model_admin: Any, request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show what would come back and what not; with a reason, roll the run back."""
    if not may_roll_back(request):
        raise PermissionDenied
    run = OptimizationRun.objects.select_related("channel").filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    form = RollBackForm(request.POST or None)
    run_page = HttpResponseRedirect(admin_url("optimizer_optimizationrun_change", run.pk))
    if rollback_of(run_id=run.pk) is not None:
        messages.info(request, "This run was rolled back before.")
        return run_page
    if request.method == "POST" and form.is_valid():
        _roll_back(request, run, form.cleaned_data["reason"])
        return run_page
    preview = rollback_preview(run_id=run.pk, now=timezone.now())
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Roll back: {model_admin.name_of(run)}",
        "run": run,
        "run_url": run_page.url,
        "form": form,
        "preview": preview,
        **_preview_in_words(preview),
    }
    return TemplateResponse(request, "optimizer/admin/roll_back.html", context)


def _roll_back(request: HttpRequest, run: OptimizationRun, reason: str) -> None:
    try:
        rollback = roll_back_run(run_id=run.pk, author=request.user, reason=reason, now=timezone.now())  # type: ignore[arg-type]  # logged in: it is a User
    except CannotRollBack as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _counts(rollback))


def _preview_in_words(preview: RollbackPreview) -> dict[str, Any]:
    refused = number(len(preview.refused))
    some = preview.checked < preview.in_force
    return {
        "cards": [
            ("Prices that the run changed", number(preview.published), ""),
            ("Would come back", number(preview.in_force - len(preview.refused)), "still the run's price"),
            ("Changed since", number(preview.changed_since), "left as they are"),
            ("Would be refused", refused, f"of the first {number(preview.checked)} checked" if some else ""),
        ],
        "step_headers": ["Product", "Price now", "Price that comes back"],
        "refused_headers": ["Product", "Price now", "Price before it", "Why not"],
        "left_headers": ["Product", "The run's price", "Price now"],
        "coming_back": [_step(row) for row in preview.coming_back],
        "refused": [[*_step(row), refusal_words(why)] for row, why in preview.refused[:SHOWN_AT_MOST]],
        "left": [[*_step(row)[:2], money(row.listing.price, row.listing.channel)] for row in preview.left],
    }


def _step(row: PriceChange) -> list[str]:
    channel = row.listing.channel
    product = f"{row.listing.product.sku}  {row.listing.product.name}"
    return [product, money(row.price, channel), money(row.previous_price, channel)]


def _counts(rollback: RunRollback) -> str:
    return (
        f"{number(rollback.restored)} prices restored, {number(rollback.changed_since)} changed since and left, "
        f"{number(rollback.refused)} refused."
    )


def rollback_panel(run: OptimizationRun) -> dict[str, str] | None:
    """Return who rolled a run back, when, why and with which outcome; None where nobody did."""
    rollback = rollback_of(run_id=run.pk)
    if rollback is None:
        return None
    who = f" by {rollback.author}" if rollback.author else ""
    return {
        "words": f"On {moment(rollback.rolled_back_at)}{who}: {rollback.reason}. {_counts(rollback)}",
        "url": f"{admin_url('catalog_rolledbackprice_changelist')}?rollback__exact={rollback.pk}",
    }


@admin.register(RolledBackPrice)
class RolledBackPriceAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "run_price_figure", "prior_price_figure", "outcome_column", "reason_column")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("outcome",)
    fields = ("rollback", "listing_column", "run_price", "prior_price", "outcome", "reason_column")
    readonly_fields = ("listing_column", "reason_column")

    def name_of(self, row: RolledBackPrice) -> str:
        return f"{listing_name(row.listing)}, rolled back"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("listing__product", "listing__channel", "rollback")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "rollback__exact" or super().lookup_allowed(lookup, value, request)

    @display(description="Product", header=True)
    def product_column(self, row: RolledBackPrice) -> list[str]:
        return product_cell(row.listing)

    @display(description="Product")
    def listing_column(self, row: RolledBackPrice) -> str:
        return listing_name(row.listing)

    @display(description="The run's price")
    def run_price_figure(self, row: RolledBackPrice) -> str:
        return money(row.run_price, row.listing.channel)

    @display(description="Price before it")
    def prior_price_figure(self, row: RolledBackPrice) -> str:
        return money(row.prior_price, row.listing.channel)

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def outcome_column(self, row: RolledBackPrice) -> str:
        return row.get_outcome_display().lower()

    @display(description="Why")
    def reason_column(self, row: RolledBackPrice) -> str:
        return refusal_words(row.reason).capitalize() if row.reason else NOTHING
