"""A run of which some prices are in force and the others wait: say so, and publish the rest at a click."""

from functools import partial
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from catalog.admin.cells import admin_url
from catalog.admin.formatting import number, percent
from catalog.selectors.rollbacks import rollback_of
from optimizer.admin.rollbacks import may_roll_back
from optimizer.models import OptimizationRun
from optimizer.services.canary import CannotRelease, release_run
from optimizer.services.hand_to_gate import WAITS_FOR_RELEASE
from optimizer.tasks import enqueue_parts


def others_wait(run: OptimizationRun) -> bool:
    """Tell whether prices of a run can still be released: it was not rolled back."""
    return run.status == OptimizationRun.Status.CANARY and rollback_of(run_id=run.pk) is None


def canary_words(run: OptimizationRun) -> str:
    """Return what waits for what; empty where nothing does."""
    if not others_wait(run):
        return ""
    waits = number(run.guard_numbers.get("reasons", {}).get(WAITS_FOR_RELEASE, 0))
    return f"Only {percent(run.canary_share)} of the prices were published, to see what they do. {waits} others wait."


def release_url(request: HttpRequest, run: OptimizationRun) -> str:
    """Return where the button leads; empty where nothing waits, or not for this person."""
    may = may_roll_back(request) and others_wait(run)
    return admin_url("optimizer_optimizationrun_release", run.pk) if may else ""


@require_POST
def release_rest(request: HttpRequest, run_id: UUID) -> HttpResponse:
    if not may_roll_back(request):
        raise PermissionDenied
    try:
        run = release_run(run_id=run_id, author=request.user, now=timezone.now())  # type: ignore[arg-type]  # logged in: it is a User
    except CannotRelease as error:
        messages.error(request, str(error))
    else:
        transaction.on_commit(partial(enqueue_parts, run), robust=True)
        messages.success(request, "The rest is being published.")
    return HttpResponseRedirect(admin_url("optimizer_optimizationrun_change", run_id))
