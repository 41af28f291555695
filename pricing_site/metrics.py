"""Metrics of all web processes together, for Prometheus."""

import os
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from catalog.gateway.metrics import hit_ratio


class HitRatio(Collector):
    """``cache_hit_ratio`` from the counts of another registry."""

    def __init__(self, counts: CollectorRegistry) -> None:
        self.counts = counts

    def collect(self) -> Iterator[Metric]:
        lookups: dict[str, float] = {}
        for family in self.counts.collect():
            if family.name == "pricing_price_lookups":
                counted = [sample for sample in family.samples if sample.name.endswith("_total")]
                lookups = {sample.labels["source"]: sample.value for sample in counted}
        yield GaugeMetricFamily(
            "cache_hit_ratio", "Share of prices asked for that needed no database", value=hit_ratio(lookups)
        )


def metrics(request: HttpRequest) -> HttpResponse:
    """Everything that was counted, over all web processes where there are several."""
    counts = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counts = CollectorRegistry()
        MultiProcessCollector(counts)
    ratio = CollectorRegistry()
    ratio.register(HitRatio(counts))
    return HttpResponse(generate_latest(counts) + generate_latest(ratio), content_type=CONTENT_TYPE_LATEST)
