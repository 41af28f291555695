"""What the bandit's process counts, and whether it keeps up; served over HTTP beside its loop."""

import threading
from collections import Counter as Counts
from collections.abc import Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

from experiments.selectors.streams import PartitionKey

BATCH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OUTCOMES = {
    "learned": "learned",
    "duplicate_outcomes": "duplicate",
    "conflicting_outcomes": "conflicting",
    "late_outcomes": "late",
    "expired": "expired",
}


class StreamMetrics:
    """Counts of one process, in a registry of its own.

    Args:
        max_lag: messages that may wait unread in all partitions together before the process is not ready.
    """

    def __init__(self, *, max_lag: int) -> None:
        self.registry = CollectorRegistry()
        self.max_lag = max_lag
        self.lag: dict[PartitionKey, int] = {}
        self.is_reading = False
        self.decisions = self._counter("decisions", "Prices decided")
        self.held = self._counter("held", "Demand events without a decision, by reason", "reason")
        self.outcomes = self._counter("outcomes", "Outcomes and expired decisions, by what became of them", "result")
        self.reports = self._counter(
            "experiment_reports", "Exposures and outcomes of experiments, by what became of them", "result"
        )
        self.dead_letters = self._counter("dead_letters", "Messages that could not be used, by reason", "reason")
        self.lost = self._counter("lost_messages", "Messages that the broker deleted unread")
        self.batch_seconds = Histogram(
            "streaming_batch_seconds", "From a batch's messages to its commit", buckets=BATCH_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.batch_messages = self._counter("messages", "Messages read")
        self.lag_gauge = Gauge("streaming_lag", "Messages not read yet", ["topic", "partition"], registry=self.registry)
        self.outbox = Gauge("streaming_outbox_messages", "Messages that wait to be sent", registry=self.registry)
        self.outbox_age = Gauge("streaming_outbox_age_seconds", "Age of the oldest of them", registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"streaming_{name}", text, labels, registry=self.registry)

    def count(self, counts: Counts[str]) -> None:
        """Add up what a batch did, by the names that `streaming.handlers` uses."""
        for name, number in counts.items():
            if name == "decided":
                self.decisions.inc(number)
            elif name == "lost":
                self.lost.inc(number)
            elif name.startswith("held_"):
                self.held.labels(name.removeprefix("held_")).inc(number)
            elif name.startswith("dead_"):
                self.dead_letters.labels(name.removeprefix("dead_")).inc(number)
            elif name.startswith("experiment_"):
                self.reports.labels(name.removeprefix("experiment_")).inc(number)
            elif name in OUTCOMES:
                self.outcomes.labels(OUTCOMES[name]).inc(number)

    def set_lag(self, lag: Mapping[PartitionKey, int]) -> None:
        """Say how many messages wait in each partition that is ours now."""
        for topic, partition in self.lag.keys() - lag.keys():
            self.lag_gauge.remove(topic, str(partition))
        self.lag, self.is_reading = dict(lag), True
        for (topic, partition), number in lag.items():
            self.lag_gauge.labels(topic, str(partition)).set(number)

    def readiness(self) -> tuple[bool, str]:
        """Return whether the process reads and keeps up, and that in words."""
        waiting = sum(self.lag.values())
        if not self.is_reading:
            return False, "not reading yet: it waits for the database, the broker, topics or a share of the partitions"
        if waiting > self.max_lag:
            return False, f"{waiting:,} messages wait, more than {self.max_lag:,}: run more processes"
        return True, f"{waiting:,} messages wait"

    def serve(self, port: int) -> None:
        """Answer ``/metrics`` and ``/readyz`` (200 or 503) on a port, in a thread that ends with the process."""
        metrics = make_wsgi_app(self.registry)

        def answer(environ: Any, start_response: Any) -> Any:  # the WSGI protocol
            if environ["PATH_INFO"] == "/readyz":
                ready, words = self.readiness()
                start_response("200 OK" if ready else "503 Service Unavailable", [("Content-Type", "text/plain")])
                return [f"{words}\n".encode()]
            if environ["PATH_INFO"] == "/metrics":
                return metrics(environ, start_response)
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics and /readyz are here\n"]

        server = make_server("", port, answer, handler_class=_Quiet)
        threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Write nothing: a scrape every few seconds is no news."""
