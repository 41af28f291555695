"""Metrics of all web processes together, for Prometheus."""

import os
from collections.abc import Iterable, Iterator

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from catalog.gateway.metrics import hit_ratio
from experiments.selectors.readout_metrics import last_readouts
from optimizer.models import OptimizationRun
from optimizer.selectors.forecasts import forecaster_times
from optimizer.selectors.live_models import inference_times
from optimizer.selectors.run_metrics import batch_times, newest_runs

GUARD_NUMBERS = (
    ("revenue_impact", "revenue_shift", "expected change of revenue, a fraction"),
    ("profit_impact", "profit_shift", "expected change of profit, a fraction"),
    ("run_share_changed", "share_changed", "share of the prices that change"),
    ("run_prices_changed", "changed", "prices that change"),
    ("run_listings", "listings", "listings looked at"),
)


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


class Models(Collector):
    """How long models of demand took to be learned or to forecast, from the database, if it answers."""

    def collect(self) -> Iterator[Metric]:
        try:
            times = [*inference_times(), *forecaster_times()]
        except (OperationalError, InterfaceError):
            return
        family = SummaryMetricFamily(
            "model_inference_time_seconds",
            "Time to infer the posterior of a channel's demand, or the forecasts of its listings",
            labels=["model", "device"],
        )
        for each in times:
            family.add_metric([each.method, each.device], each.fits, each.seconds)
        yield family


class Runs(Collector):
    """Times and guard numbers of optimisation runs, from the database; nothing where it does not answer."""

    def collect(self) -> Iterator[Metric]:
        try:
            times, runs = batch_times(), list(newest_runs())
        except (OperationalError, InterfaceError):
            return
        batches = SummaryMetricFamily(
            "gpu_batch_processing_time_seconds", "Time to compute chunks of optimisation runs", labels=["device"]
        )
        for each in times:
            batches.add_metric([each.device], each.chunks, each.seconds)
        yield batches
        yield self._sizes(runs)
        for name, key, words in GUARD_NUMBERS:
            gauge = GaugeMetricFamily(name, f"Newest run: {words}", labels=["channel"])
            for run in runs:
                if key in run.guard_numbers:
                    gauge.add_metric([run.channel.code], float(run.guard_numbers[key]))
            yield gauge

    def _sizes(self, runs: Iterable[OptimizationRun]) -> Metric:
        histogram = HistogramMetricFamily(
            "price_change_magnitude", "Newest run: sizes of the changes of prices, fractions", labels=["channel"]
        )
        for run in runs:
            sizes = run.guard_numbers.get("changed_by_up_to")
            if sizes is not None:
                changed = run.guard_numbers["changed"]
                buckets = [*((bound, float(count)) for bound, count in sizes.items()), ("+Inf", float(changed))]
                histogram.add_metric([run.channel.code], buckets, run.guard_numbers["mean_size"] * changed)
        return histogram


class Experiments(Collector):
    """What running price experiments said last, from the database, if it answers."""

    def collect(self) -> Iterator[Metric]:
        try:
            readouts = last_readouts()
        except (OperationalError, InterfaceError):
            return
        days = GaugeMetricFamily(
            "experiment_facts_age_days", "Days since the last whole day that was read", labels=["experiment"]
        )
        crossovers = GaugeMetricFamily(
            "experiment_crossovers", "Events that named another arm than their unit has", labels=["experiment"]
        )
        shares = GaugeMetricFamily(
            "experiment_srm_p_value", "That the arms hold the planned shares", labels=["experiment"]
        )
        for each in readouts:
            days.add_metric([each.code], (timezone.localdate() - each.day).days)
            crossovers.add_metric([each.code], each.crossovers)
            if each.srm_p_value is not None:
                shares.add_metric([each.code], each.srm_p_value)
        yield from (days, crossovers, shares)


def metrics(request: HttpRequest) -> HttpResponse:
    """Everything that was counted, over all web processes where there are several."""
    counts = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counts = CollectorRegistry()
        MultiProcessCollector(counts)
    derived = CollectorRegistry()
    derived.register(HitRatio(counts))
    derived.register(Runs())
    derived.register(Models())
    derived.register(Experiments())
    return HttpResponse(generate_latest(counts) + generate_latest(derived), content_type=CONTENT_TYPE_LATEST)
