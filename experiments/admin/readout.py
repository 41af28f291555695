"""The read-out of a price experiment, as a page and as a file."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from catalog.admin.base import PricingModelAdmin
from experiments.models import PriceExperiment
from experiments.readout_page import as_file, entries_of, page_of, readout_html
from experiments.selectors.readouts import readout_for


class ReadoutPages(PricingModelAdmin):
    """What the admin of price experiments has beside its form: ``<pk>/readout/`` and ``<pk>/readout.html``."""

    def get_urls(self) -> list[Any]:
        return [
            path(
                "<int:pk>/readout/",
                self.admin_site.admin_view(self.readout_view),
                name="experiments_priceexperiment_readout",
            ),
            path(
                "<int:pk>/readout.html",
                self.admin_site.admin_view(self.readout_file),
                name="experiments_priceexperiment_readout_file",
            ),
            *super().get_urls(),
        ]

    def readout_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what an experiment says today."""
        experiment = self._readable(request, pk)
        found = readout_for(experiment=experiment, at=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            **page_of(found, entries_of(experiment)),
            "opts": self.opts,
            "title": "Read-out",
            "subtitle": experiment.name,
            "original": experiment,
        }
        return TemplateResponse(request, "experiments/admin/readout.html", context)

    def readout_file(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hand the page out as one file."""
        experiment = self._readable(request, pk)
        return as_file(experiment, readout_html(readout_for(experiment=experiment, at=timezone.now())))

    def _readable(self, request: HttpRequest, pk: int) -> PriceExperiment:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = PriceExperiment.objects.select_related("channel", "category").filter(pk=pk).first()
        if found is None:
            raise Http404
        return found
