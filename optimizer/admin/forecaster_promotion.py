"""Having a forecaster judged and go live: what its page offers, the page that asks why, and who did it before."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.admin.cells import admin_url
from catalog.admin.formatting import NOTHING, moment
from optimizer.admin.rollbacks import PERMISSION
from optimizer.forecaster_gate import RULES
from optimizer.models import DemandForecaster
from optimizer.models.forecast import MAX_REASON
from optimizer.selectors.forecasts import forecasters
from optimizer.services.promote_forecaster import OVERRULE, ForecasterStaysOut, promote_forecaster
from optimizer.tasks import evaluate_forecaster, forecast_demand

Status = DemandForecaster.Status


class PromoteForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON,
        widget=UnfoldAdminTextInputWidget(),
        label="Reason",
        help_text="Stands beside the forecaster, with your name.",
        error_messages={"required": "Say why the gate is overruled."},
    )


def promotion_doors(request: HttpRequest, forecaster: DemandForecaster) -> dict[str, str]:
    """Return what the person may do with it: links, and words where it cannot go live."""
    if forecaster.status == Status.LIVE or not request.user.has_perm(PERMISSION):
        return {}
    doors = {}
    if forecaster.status == Status.CANDIDATE:
        doors["evaluate_url"] = admin_url("optimizer_demandforecaster_evaluate", forecaster.pk)
    if _refused(forecaster) and not request.user.has_perm(OVERRULE):
        doors["closed"] = "The gate refused it. An admin may overrule that, with a reason"
    elif forecaster.verdict or forecaster.status == Status.RETIRED:
        doors["promote_url"] = admin_url("optimizer_demandforecaster_promote", forecaster.pk)
        doors["promote_words"] = _button(forecaster)
    return doors


def promotion_rows(forecaster: DemandForecaster) -> list[list[str]]:
    """Return when it went live, by whom, why it might, the reason given, and which one it replaced."""
    return [
        [
            moment(each.at),
            each.author.get_username() if each.author else NOTHING,
            each.get_gate_display(),
            each.reason or NOTHING,
            f"forecaster-{each.replaced_id}" if each.replaced_id else NOTHING,
        ]
        for each in sorted(forecaster.promotions.all(), key=lambda each: -each.pk)
    ]


def promote_page(model_admin: Any, request: HttpRequest, forecaster_id: int) -> HttpResponse:
    """Ask why; with that, have the forecaster go live and a worker forecast with it."""
    forecaster = _asked_for(request, forecaster_id)
    refused = _refused(forecaster)
    if refused and not request.user.has_perm(OVERRULE):
        raise PermissionDenied
    form = PromoteForm(request.POST or None, use_required_attribute=refused)
    form.fields["reason"].required = refused
    if request.method == "POST" and form.is_valid():
        _promote(request, forecaster, form.cleaned_data["reason"], refused)
        return HttpResponseRedirect(admin_url("optimizer_demandforecaster_change", forecaster.pk))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"{_button(forecaster)}: {forecaster}",
        "introduction": f"{capfirst(forecaster.verdict.get('words', 'not judged'))}. The gate: {RULES}.",
        "button": _button(forecaster),
        "form": form,
    }
    return TemplateResponse(request, "optimizer/admin/ask.html", context)


@require_POST
def evaluate(request: HttpRequest, forecaster_id: int) -> HttpResponse:
    """Have a worker judge it anew, against the forecaster that is live now."""
    forecaster = _asked_for(request, forecaster_id)
    transaction.on_commit(partial(evaluate_forecaster.delay, forecaster.pk), robust=True)
    messages.info(request, f"A worker judges {forecaster}: load this page again in a minute.")
    return HttpResponseRedirect(admin_url("optimizer_demandforecaster_change", forecaster.pk))


def _asked_for(request: HttpRequest, forecaster_id: int) -> DemandForecaster:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    forecaster = forecasters().filter(pk=forecaster_id).first()
    if forecaster is None:
        raise Http404("There is no such forecaster.")
    return forecaster


def _promote(request: HttpRequest, forecaster: DemandForecaster, reason: str, overrule: bool) -> None:
    try:
        promote_forecaster(
            forecaster_id=forecaster.pk,
            author=request.user,  # type: ignore[arg-type]  # logged in: it is a User
            reason=reason,
            overrule=overrule,
            now=timezone.now(),
        )
    except ForecasterStaysOut as error:
        messages.error(request, str(error))
        return
    transaction.on_commit(partial(forecast_demand.delay, forecaster.channel_id, forecaster.step), robust=True)
    messages.success(request, f"{forecaster} is live: a worker forecasts all listings with it.")


def _refused(forecaster: DemandForecaster) -> bool:
    return forecaster.status == Status.CANDIDATE and not forecaster.verdict.get("passes", True)


def _button(forecaster: DemandForecaster) -> str:
    if forecaster.status == Status.RETIRED:
        return "Go back to it"
    return "Overrule the gate" if _refused(forecaster) else "Forecast with it"
