"""Training jobs: what was asked to be learned, how far it is, and what it found."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.cells import admin_url
from catalog.admin.formatting import moment
from optimizer.admin.elasticity import pretty_json
from optimizer.admin.new_training import TrainingForm
from optimizer.admin.rollbacks import PERMISSION
from optimizer.causal_words import interval_words
from optimizer.cross_words import pairs_words
from optimizer.models import TrainingJob

STATUS_COLOURS = {"waiting": "info", "running": "info", "done": "success", "failed": "danger"}


@admin.register(TrainingJob)
class TrainingJobAdmin(ReadOnlyAdmin):
    list_display = ("name_column", "status_column", "channel", "kind", "found_column", "created_column", "created_by")
    list_filter = ("channel", "kind", "status")
    fieldsets = (
        (None, {"fields": ("channel", "kind", "status_text", "found_column", "created_by", "created_column")}),
        ("What was asked", {"fields": ("asked_text",)}),
        ("What was found", {"fields": ("fit_link", "pairs_link", "result_text", "error")}),
    )
    readonly_fields = (
        "status_text",
        "found_column",
        "created_column",
        "asked_text",
        "fit_link",
        "pairs_link",
        "result_text",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        jobs = super().get_queryset(request).select_related("channel", "fit", "created_by", "forecaster")
        jobs = jobs.defer("forecaster__artefact")
        return jobs if request.resolver_match and "object_id" in request.resolver_match.kwargs else jobs.defer("asked")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)  # what it learns may go live

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask what is to be learned and open the job."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TrainingForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            job = form.open_job(request.user)  # type: ignore[arg-type]  # logged in
            if job is not None:
                return HttpResponseRedirect(admin_url("optimizer_trainingjob_change", job.pk))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Learn demand anew",
            "introduction": "A worker learns from the channel's sales, judges it by price changes, and has it "
            "go live only if it passes.",
            "button": "Learn",
            "form": form,
        }
        return TemplateResponse(request, "optimizer/admin/ask.html", context)

    @display(description="Job")
    def name_column(self, job: TrainingJob) -> str:
        return str(job)

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, job: TrainingJob) -> Any:
        return job.status, self.status_text(job)

    @display(description="Status")
    def status_text(self, job: TrainingJob) -> str:
        step = f", step {job.steps_done + 1} of {job.steps}: {job.step}" if job.step else ""
        return f"{job.get_status_display()}{step}"

    @display(description="Found")
    def found_column(self, job: TrainingJob) -> str:
        """Say in a sentence what came of it."""
        if job.error:
            return job.error
        if "words" in job.result:
            model = job.fit or getattr(job, "forecaster", None)
            return f"{model} is {'live' if job.result['live'] else 'not live'}: {job.result['words']}"
        if "policy_words" in job.result:
            return job.result["policy_words"]
        if "pairs_kept" in job.result:
            return pairs_words(job.result)
        return "; ".join(_estimate_words(each) for each in job.result.get("estimates", []))

    @display(description="Asked for")
    def created_column(self, job: TrainingJob) -> str:
        return moment(job.created_at)

    @display(description="Asked")
    def asked_text(self, job: TrainingJob) -> str:
        asked = dict(job.asked)
        if instruments := asked.pop("instruments", None):
            asked["instruments"] = (
                f"{', '.join(instruments['names'])}: {instruments.get('count', len(instruments['rows'])):,} rows"
            )
        return pretty_json(asked)

    @display(description="Model")
    def fit_link(self, job: TrainingJob) -> str:
        if (forecaster := getattr(job, "forecaster", None)) is not None:
            url = admin_url("optimizer_demandforecaster_change", forecaster.pk)
            return format_html('<a class="text-link" href="{}">{}</a>', url, forecaster)
        if job.fit_id is None:
            return ""
        url = admin_url("optimizer_elasticityfit_change", job.fit_id)
        return format_html('<a class="text-link" href="{}">{}</a>', url, job.fit)

    @display(description="Pairs")
    def pairs_link(self, job: TrainingJob) -> str:
        if not job.result.get("pairs_kept"):
            return ""
        url = f"{admin_url('optimizer_crosselasticity_changelist')}?job__exact={job.pk}"
        return format_html('<a class="text-link" href="{}">show its pairs</a>', url)

    @display(description="In full")
    def result_text(self, job: TrainingJob) -> str:
        return pretty_json(job.result)


def _estimate_words(estimate: dict[str, Any]) -> str:
    warned = ", with a warning" if estimate["warnings"] else ""
    between = interval_words(estimate["interval"])
    return f"{estimate['method']}: {estimate['elasticity']:.2f}, {between}{warned}"
