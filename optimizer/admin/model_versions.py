"""Whether a version of the demand model counts, how it was judged, and the button that has it go live."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from catalog.admin.cells import admin_url
from catalog.admin.formatting import moment, number, percent
from optimizer.admin.model_charts import validation_charts
from optimizer.admin.rollbacks import PERMISSION
from optimizer.models import ElasticityFit
from optimizer.selectors.live_models import live_fit
from optimizer.selectors.model_validation import validation_words
from optimizer.services.promote_fit import NotPromoted, promote_fit

STATUS_COLOURS = {
    "live": "success",
    "was live": "default",
    "passed": "info",
    "refused": "warning",
    "not judged": "default",
}


def version_status(fit: ElasticityFit, live_pk: int | None) -> str:
    """Return in a word or two whether a version counts."""
    if fit.pk == live_pk:
        return "live"
    if fit.promoted_at is not None:
        return "was live"
    if not fit.verdict:
        return "not judged"
    return "passed" if fit.verdict["passes"] else "refused"


def model_panel(request: HttpRequest, fit: ElasticityFit) -> dict[str, Any]:
    """Return what the version's page begins with."""
    live = live_fit(channel=fit.channel)
    status = version_status(fit, None if live is None else live.pk)
    may = request.user.has_perm(PERMISSION) and status != "live"
    return {
        "status": status,
        "status_colour": STATUS_COLOURS[status],
        "since": _since(fit),
        "live": live,
        "live_url": "" if live is None else admin_url("optimizer_elasticityfit_change", live.pk),
        "verdict": fit.verdict.get("words", ""),
        "cards": _cards(fit),
        "sentences": validation_words(fit.verdict),
        "charts": validation_charts(fit.verdict),
        "promote_url": admin_url("optimizer_elasticityfit_promote", fit.pk) if may else "",
        "passes": bool(fit.verdict.get("passes")) or status == "was live",
        "evaluate": f"manage.py evaluate_model {fit.pk}",
    }


def _since(fit: ElasticityFit) -> str:
    if fit.promoted_at is None:
        return ""
    who = f" by {fit.promoted_by.get_username()}" if fit.promoted_by else ""
    return f"went live {moment(fit.promoted_at)}{who}"


def _cards(fit: ElasticityFit) -> list[tuple[str, str, str]]:
    return [*_comparison_cards(fit.verdict.get("comparison")), *_calibration_cards(fit.verdict.get("calibration"))]


def _calibration_cards(shares: dict[str, float] | None) -> list[tuple[str, str, str]]:
    if not shares:
        return []
    *others, (widest, held) = shares.items()
    note = ", ".join(f"of {asked.replace('%', ' %')} {percent(share)}" for asked, share in others)
    return [(f"Of intervals of {widest.replace('%', ' %')} held", percent(held), note)]


def _comparison_cards(found: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    if not found:
        return []
    between = f"between {percent(found['low'], signed=True)} and {percent(found['high'], signed=True)}"
    return [
        ("Error of price changes", number(found["error"], decimals=3), "mean, in ln units"),
        ("Of what it was judged against", number(found["other_error"], decimals=3), "the same rows"),
        ("Better by", percent(found["improvement"], signed=True), between),
        ("Judged on", number(found["rows"]), f"weeks of {number(found['skus'])} SKUs"),
    ]


@require_POST
def promote(request: HttpRequest, fit_id: int) -> HttpResponse:
    """Have a version go live, if it was judged and passed."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    try:
        fit = promote_fit(fit_id=fit_id, author=request.user, now=timezone.now())  # type: ignore[arg-type]  # logged in: it is a User
    except NotPromoted as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{fit} is live: the next run prices with it.")
    return HttpResponseRedirect(admin_url("optimizer_elasticityfit_change", fit_id))
