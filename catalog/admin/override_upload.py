"""The page that takes overrides from a file: choose it, see what it would change, apply it, fetch the bad rows."""

from base64 import b64encode
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from catalog.admin.formatting import NOTHING, margin, money, percent
from catalog.admin.group_words import tell_broken_relations
from catalog.models import Channel
from catalog.override_requests import FIELDS
from catalog.services.import_overrides import (
    MAX_ROWS,
    FileOutcome,
    FileRow,
    OverrideFileError,
    import_overrides,
    preview_overrides,
)

ROWS_SHOWN = 200
NO_BREAK = "\N{NO-BREAK SPACE}"
HEADERS = ("Row", "SKU", "Price now", "Price then", "Margin then", "Starts", "Ends", "Time zone", "Kind", "Verdict")


class UploadForm(forms.Form):
    channel = forms.ModelChoiceField(
        Channel.objects.order_by("code"), empty_label=None, to_field_name="code", widget=UnfoldAdminSelectWidget()
    )
    file = forms.FileField(
        required=False,
        label="CSV file",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
        help_text=f"Columns: {', '.join(FIELDS)}. At most {MAX_ROWS:,} rows.",
    )
    # What was previewed, so that just that is applied.
    content = forms.CharField(required=False, strip=False, widget=forms.HiddenInput())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("file"):
            cleaned["bytes"] = cleaned["file"].read()
        elif cleaned.get("content"):
            cleaned["bytes"] = cleaned["content"].encode()
        elif "file" not in self.errors:
            self.add_error("file", "Choose a file.")
        return cleaned


def upload_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the form; for a chosen file its preview; for a confirmed preview what was scheduled."""
    form = UploadForm(request.POST or None, request.FILES or None)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "Overrides and promotions from a file",
        "form": form,
    }
    if form.is_valid():
        try:
            context |= _outcome(request, form.cleaned_data["channel"], form.cleaned_data["bytes"])
        except OverrideFileError as error:
            form.add_error("file", str(error))
    return TemplateResponse(request, "catalog/admin/override_upload.html", context)


def _outcome(request: HttpRequest, channel: Channel, content: bytes) -> dict[str, Any]:
    applies, now = "apply" in request.POST, timezone.now()
    if applies:
        author = cast(User, request.user)
        outcome = import_overrides(channel=channel, content=content, now=now, author=author)
    else:
        outcome = preview_overrides(channel=channel, content=content, now=now)
    if applies:
        tell_broken_relations(request, [row.override.listing for row in outcome.good if row.override is not None])
    bad_first = sorted(outcome.rows, key=lambda row: not row.errors)
    return {
        "outcome": outcome,
        "applied": applies,
        "cards": _cards(outcome, applies),
        "content": content.decode("utf-8-sig"),
        "channel": channel,
        "headers": HEADERS,
        "rows": [_cells(row, channel) for row in bad_first[:ROWS_SHOWN]],
        "left_out": max(0, len(outcome.rows) - ROWS_SHOWN),
        "errors_file": b64encode(outcome.errors_csv().encode()).decode() if outcome.bad else "",
    }


def _cards(outcome: FileOutcome, applied: bool) -> list[tuple[str, str, str]]:
    return [
        (
            "Scheduled" if applied else "Can be scheduled",
            f"{len(outcome.good):,}",
            "" if applied else "nothing written",
        ),
        ("Scheduled before", f"{len(outcome.known):,}", "left as they are"),
        ("Bad rows", f"{len(outcome.bad):,}", "left out" if outcome.bad else ""),
    ]


def _cells(row: FileRow, channel: Channel) -> list[str]:
    texts = row.texts
    listing = row.checked.listing if row.checked else row.override.listing if row.override else None
    price = row.request.price if row.request else None
    now = listing.price_in_force if listing else None
    return [
        str(row.number),
        texts.get("sku", ""),
        money(now, channel),
        money(price, channel) if price is not None else texts.get("price", ""),
        percent(margin(price, listing.unit_cost)) if price is not None and listing else NOTHING,
        (texts.get("starts_at", "") or "at once").replace(" ", NO_BREAK),
        (texts.get("ends_at", "") or "open").replace(" ", NO_BREAK),
        texts.get("time_zone", "") or NOTHING,
        texts.get("kind", "") or "override",
        _verdict(row),
    ]


def _verdict(row: FileRow) -> str:
    if row.errors:
        return "; ".join(f"{error.field}: {error.message}" for error in row.errors)
    if row.is_known and row.override is not None:
        return f"scheduled before ({row.override.get_status_display()})"
    return row.override.get_status_display() if row.override else "good"
