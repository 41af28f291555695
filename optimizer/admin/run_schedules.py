"""When a channel is optimised by itself."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin
from optimizer.models import RunSchedule


@admin.register(RunSchedule)
class RunScheduleAdmin(PricingModelAdmin):
    fields = ("channel", "at", "objective", "is_active")
    list_display = ("channel", "time_column", "objective_column", "is_active")
    list_select_related = ("channel",)
    autocomplete_fields = ("channel",)

    def name_of(self, row: RunSchedule) -> str:
        return f"Daily run of {row.channel.code}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("channel",) if obj else ()

    @display(description="Every day, UTC")
    def time_column(self, schedule: RunSchedule) -> str:
        return f"{schedule.at:%H:%M}"

    @display(description="Objective")
    def objective_column(self, schedule: RunSchedule) -> str:
        return schedule.get_objective_display()
