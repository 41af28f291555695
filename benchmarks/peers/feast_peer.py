"""Feast behind a pipe, for benchmarks/feature_store.py: one JSON line in, one out. Runs in Feast's own environment.

``load`` defines one feature view and writes the rows to Redis; ``read`` times online reads; ``late`` asks Feast's
point-in-time join about a row that arrived after the moment.
"""

import json
import os
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

os.environ["FEAST_USAGE"] = "False"

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64
from feast.value_type import ValueType

HOME = Path(tempfile.mkdtemp(prefix="feast-"))
NOW = datetime.now(timezone.utc).replace(microsecond=0)  # noqa: UP017  (Feast's Python may be older than ours)


def opened(redis: str) -> FeatureStore:
    return FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(HOME / "registry.db"),
            online_store={"type": "redis", "connection_string": redis},
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )


def view(name: str, features: list[str], rows: pd.DataFrame) -> tuple[Entity, FeatureView]:
    path = HOME / f"{name}.parquet"
    rows.to_parquet(path)
    sku = Entity(name="sku", join_keys=["sku"], value_type=ValueType.STRING)
    source = FileSource(
        name=f"{name}_source", path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created"
    )
    schema = [Field(name=feature, dtype=Float64) for feature in features]
    return sku, FeatureView(name=name, entities=[sku], schema=schema, source=source, ttl=timedelta(days=365))


class Peer:
    def load(self, redis: str, names: list[str], skus: list[str], values: list[list[float]]) -> dict[str, Any]:
        self.store = opened(redis)
        rows = pd.DataFrame(values, columns=names).assign(sku=skus, event_timestamp=NOW, created=NOW)
        sku, features = view("features", names, rows)
        self.names, self.service = names, FeatureService(name="serving", features=[features])
        self.store.apply([sku, features, self.service])
        self.store.write_to_online_store("features", rows)
        return {}

    def read(self, skus: list[str], times: int) -> dict[str, Any]:
        entities, seconds = [{"sku": sku} for sku in skus], []
        for _ in range(times):
            began = time.perf_counter()
            found = self.store.get_online_features(features=self.service, entity_rows=entities).to_dict()
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds, "values": list(zip(*(found[name] for name in self.names)))}  # noqa: B905

    def late(self) -> dict[str, Any]:
        """Return what a training row for 10 minutes ago holds: an event of an hour ago arrived 5 minutes ago."""
        moment = NOW - timedelta(minutes=10)
        times = [(1.0, NOW - timedelta(hours=2), NOW - timedelta(hours=2))]
        times += [(2.0, NOW - timedelta(hours=1), NOW - timedelta(minutes=5))]
        rows = pd.DataFrame(times, columns=["seen", "event_timestamp", "created"]).assign(sku="A")
        self.store.apply(list(view("late", ["seen"], rows)))
        asked = pd.DataFrame({"sku": ["A"], "event_timestamp": [moment]})
        frame = self.store.get_historical_features(entity_df=asked, features=["late:seen"]).to_df()
        return {"seen": float(frame["seen"][0])}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Feast prints is no answer
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(peer, command.pop("do"))(**command)), file=answers, flush=True)


if __name__ == "__main__":
    main()
