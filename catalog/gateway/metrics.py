"""Counts and latencies of the gateway. They are kept as plain numbers and handed to Prometheus once a second: a call of
its client for every request would cost more than the request."""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Mapping, Sequence

from prometheus_client import Counter, Histogram

BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class TalliedHistogram(Histogram):
    """A histogram that takes observations already sorted into its buckets."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """``counts``: (bucket,) with one more than there are bounds; ``total``: the sum of the observations."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


LATENCY = TalliedHistogram(
    "pricing_api_latency_seconds",
    "From the last byte of a price request to its answer, without the network",
    ["endpoint", "status"],
    buckets=BOUNDS,
)
LOOKUPS = Counter("pricing_price_lookups", "Prices and keys asked for, by what answered", ["source"])


class Tally:
    """Latencies of one endpoint and status since they were last handed over."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts, self.total = [0] * (len(BOUNDS) + 1), 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class GatewayMetrics:
    """The tallies of one process."""

    def __init__(self) -> None:
        self.tallies: dict[tuple[str, int], Tally] = {}

    def tally(self, endpoint: str, status: int) -> Tally:
        key = (endpoint, status)
        if key not in self.tallies:
            self.tallies[key] = Tally()
        return self.tallies[key]

    def hand_over(self, sources: Counts[str]) -> None:
        """Give Prometheus what was counted since the last call, and begin anew."""
        for (endpoint, status), tally in self.tallies.items():
            if any(tally.counts):
                LATENCY.labels(endpoint, str(status)).add(tally.counts, tally.total)
                tally.counts, tally.total = [0] * (len(BOUNDS) + 1), 0.0
        for source, count in sources.items():
            LOOKUPS.labels(source).inc(count)
        sources.clear()


def hit_ratio(lookups: Mapping[str, float]) -> float:
    """Return the share of look-ups that needed no database; NaN before the first."""
    total = sum(lookups.values())
    return 1 - lookups.get("database", 0.0) / total if total else float("nan")
