"""The admin's first page: where prices stand and what the newest run did. Every query on it is bounded."""

from typing import Any

from django.db.models import ExpressionWrapper, F, FloatField
from django.db.models.functions import Abs
from django.http import HttpRequest

from catalog.admin.cells import admin_url, price_step, sentence
from catalog.admin.formatting import NOTHING, moment, number, percent
from catalog.admin.paginator import approximate_count
from catalog.admin.reasons import change_in_words
from catalog.models import GuardrailPolicy, Listing, PriceChange, Product, WeeklySales
from optimizer.admin.decisions import waiting_decisions
from optimizer.admin.guard_numbers import duration, outcome_rows, reason_rows, recommendations_url, run_cards
from optimizer.admin.runs import STATUS_COLOURS, status_word
from optimizer.models import OptimizationRun
from optimizer.selectors.live_models import promoted_fits

NEWEST_CHANGES = 5_000  # the largest steps are looked for among these: a bounded read of the ledger's end
LARGEST_SHOWN = 8


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK: add what the first page shows to its context."""
    run = OptimizationRun.objects.select_related("channel", "fit").order_by("-created_at").first()
    return context | {
        "title": "Prices at a glance",
        "decisions": waiting_decisions(request),
        "counts": _counts(),
        "run": _run(run) if run else None,
        "largest": _largest_changes(),
        "ledger_url": admin_url("catalog_pricechange_changelist"),
    }


def _counts() -> list[tuple[str, str, str, str]]:
    """Return (label, figure, note, link)."""
    fit = promoted_fits().first()
    tables = [
        ("Products", Product, "catalog_product_changelist"),
        ("Prices", Listing, "catalog_listing_changelist"),
        ("Price changes", PriceChange, "catalog_pricechange_changelist"),
        ("Weekly sales", WeeklySales, "catalog_weeklysales_changelist"),
        ("Guardrail policies", GuardrailPolicy, "catalog_guardrailpolicy_changelist"),
    ]
    counts = []
    for label, model, page in tables:
        count, estimated = approximate_count(model._meta.db_table)
        note = "about" if estimated and count is not None else ""
        counts.append((label, NOTHING if count is None else number(count), note, admin_url(page)))
    name, when = (str(fit), f"fitted {moment(fit.created_at)}") if fit else ("none", "run fit_elasticities")
    return [*counts, ("Demand model", name, when, admin_url("optimizer_elasticityfit_changelist"))]


def _run(run: OptimizationRun) -> dict[str, Any]:
    return {
        "run": run,
        "status": status_word(run),
        "status_colour": STATUS_COLOURS.get(status_word(run), "default"),
        "started": moment(run.created_at),
        "duration": duration(run),
        "cards": run_cards(run),
        "outcomes": outcome_rows(run),
        "reasons": reason_rows(run),
        "url": admin_url("optimizer_optimizationrun_change", run.pk),
        "recommendations_url": recommendations_url(run),
    }


def _largest_changes() -> list[dict[str, Any]]:
    """Return the largest relative steps among the newest ledger rows."""
    newest = PriceChange.objects.order_by("-pk").values("pk")[:NEWEST_CHANGES]
    step = ExpressionWrapper(F("price") / F("previous_price") - 1, output_field=FloatField())
    largest = (
        PriceChange.objects.filter(pk__in=newest, previous_price__isnull=False)
        .annotate(step=step)
        .order_by(Abs("step").desc(), "-pk")
        .select_related("listing__product", "listing__channel", "author", "approved_by")[:LARGEST_SHOWN]
    )
    return [
        {
            "name": change.listing.product.name,
            "sku": change.listing.product.sku,
            "url": admin_url("catalog_listing_change", change.listing_id),
            "price": price_step(change.price, change.previous_price, change.listing.channel),
            "step": percent(change.step, signed=True),
            "when": moment(change.valid_from),
            "why": sentence(change_in_words(change, change.listing.channel)),
        }
        for change in largest
    ]
