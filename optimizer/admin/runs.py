"""Optimisation runs: what each would do, whether it was published, and what went wrong."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.cells import admin_url
from catalog.admin.formatting import NOTHING, moment, number, percent
from catalog.selectors.rollbacks import changes_of_run, rollback_of
from optimizer.admin.canaries import canary_words, release_rest, release_url
from optimizer.admin.guard_numbers import duration, outcome_rows, reason_rows, recommendations_url, run_cards
from optimizer.admin.rollbacks import may_roll_back, roll_back_page, rollback_panel
from optimizer.models import OptimizationRun
from optimizer.selectors.portfolios import certificate_words, goal_words

STATUS_COLOURS = {
    "open": "default",
    "running": "info",
    "publishing": "info",
    "succeeded": "success",
    "failed": "danger",
    "held": "warning",
    "canary": "info",
    "dry run": "default",
}


def status_word(run: OptimizationRun) -> str:
    if run.status == OptimizationRun.Status.HELD and not run.publishes:
        return "dry run"
    return str(run.status)


TIMES = ("started_column", "finished_column")


@admin.register(OptimizationRun)
class OptimizationRunAdmin(ReadOnlyAdmin):
    change_form_outer_before_template = "optimizer/admin/run_panel.html"
    list_display = (
        "started_column",
        "channel",
        "objective_column",
        "status_column",
        "listings_figure",
        "changed_figure",
        "revenue_figure",
        "profit_figure",
        "duration_figure",
        "requested_by",
    )
    list_select_related = ("channel", "requested_by", "fit")
    list_filter = ("status", "objective", "channel")
    ordering = ("-created_at",)
    fieldsets = (
        (
            "Run",
            {"fields": ("channel", "objective", "fit", "publishes", "requested_by", *TIMES)},
        ),
        ("For support", {"classes": ("collapse",), "fields": ("id", "device", "key")}),
    )

    readonly_fields = TIMES

    def name_of(self, row: OptimizationRun) -> str:
        return f"{row.get_objective_display().capitalize()} run of {moment(row.created_at)}"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        run = kwargs.get("obj")
        if run is not None:
            context["panel"] = {
                "run": run,
                "status": status_word(run),
                "status_colour": STATUS_COLOURS.get(status_word(run), "default"),
                "duration": duration(run),
                "cards": run_cards(run),
                "certificate": certificate_words(run),
                "goals": goal_words(run),
                "outcomes": outcome_rows(run),
                "reasons": reason_rows(run),
                "recommendations_url": recommendations_url(run),
                "progress": self._progress(run),
                "rollback": rollback_panel(run),
                "canary": canary_words(run),
                "release_url": release_url(request, run),
                "roll_back_url": self._roll_back_url(request, run),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(partial(roll_back_page, self))
        release = self.admin_site.admin_view(release_rest)
        return [
            path("<uuid:run_id>/roll-back/", page, name="optimizer_optimizationrun_roll_back"),
            path("<uuid:run_id>/release/", release, name="optimizer_optimizationrun_release"),
            *super().get_urls(),
        ]

    def _roll_back_url(self, request: HttpRequest, run: OptimizationRun) -> str:
        """Return where the button leads; empty where there is nothing to roll back, or not for this person."""
        done = rollback_of(run_id=run.pk) is not None
        if done or not may_roll_back(request) or not changes_of_run(run_id=run.pk).exists():
            return ""
        return admin_url("optimizer_optimizationrun_roll_back", run.pk)

    def _progress(self, run: OptimizationRun) -> str:
        if run.is_finished:
            return ""
        total, left = run.chunks.count(), run.chunks.filter(finished_at=None).count()
        if left:
            return f"{total - left} of {total} chunks are done."
        if not run.is_publishing:
            return "All prices are computed; relations and goals are at work."
        return f"The prices of {run.chunks.exclude(published_at=None).count()} of {total} chunks are published."

    @display(description="Started")
    def started_column(self, run: OptimizationRun) -> str:
        return moment(run.created_at)

    @display(description="Finished")
    def finished_column(self, run: OptimizationRun) -> str:
        return moment(run.finished_at)

    @display(description="Objective")
    def objective_column(self, run: OptimizationRun) -> str:
        return run.get_objective_display()

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, run: OptimizationRun) -> str:
        return status_word(run)

    @display(description="Products")
    def listings_figure(self, run: OptimizationRun) -> str:
        return number(run.guard_numbers.get("listings"))

    @display(description="Prices changed")
    def changed_figure(self, run: OptimizationRun) -> str:
        return percent(run.guard_numbers.get("share_changed"))

    @display(description="Revenue")
    def revenue_figure(self, run: OptimizationRun) -> str:
        return percent(run.guard_numbers.get("revenue_shift"), signed=True)

    @display(description="Profit")
    def profit_figure(self, run: OptimizationRun) -> str:
        return percent(run.guard_numbers.get("profit_shift"), signed=True)

    @display(description="Took")
    def duration_figure(self, run: OptimizationRun) -> str:
        return duration(run) or NOTHING
