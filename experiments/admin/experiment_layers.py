"""Layers: experiments of one never share a listing at a time."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin
from catalog.admin.formatting import number
from experiments.models import ExperimentLayer, PriceExperiment

Status = PriceExperiment.Status


@admin.register(ExperimentLayer)
class ExperimentLayerAdmin(PricingModelAdmin):
    list_display = ("name", "channel", "running_column")
    list_select_related = ("channel",)
    autocomplete_fields = ("channel",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("experiments")

    @display(description="Runs on its buckets")
    def running_column(self, layer: ExperimentLayer) -> str:
        taken = [
            f"{row.name}: {number(row.first_bucket)} to {number(row.first_bucket + row.buckets - 1)}"
            for row in layer.experiments.all()
            if row.status == Status.RUNNING
        ]
        return "; ".join(taken) or "nothing"
