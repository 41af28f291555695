import socket
import urllib.request
from collections import Counter
from urllib.error import HTTPError

import pytest

from streaming.metrics import StreamMetrics


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_it_is_ready_while_it_reads_and_keeps_up():
    metrics, port = StreamMetrics(max_lag=100), free_port()
    metrics.serve(port)
    assert get(port, "/readyz")[0] == 503  # nothing read yet
    metrics.set_lag({("demand_events", 0): 60, ("demand_events", 1): 40})
    assert get(port, "/readyz") == (200, "100 messages wait\n")
    metrics.set_lag({("demand_events", 0): 101})
    status, words = get(port, "/readyz")
    assert status == 503 and "101 messages wait, more than 100" in words
    lags = [line for line in get(port, "/metrics")[1].splitlines() if line.startswith("streaming_lag{")]
    assert lags == ['streaming_lag{partition="0",topic="demand_events"} 101.0']  # the other partition went elsewhere
    assert get(port, "/else")[0] == 404


@pytest.mark.parametrize(
    ("counted", "line"),
    [
        ({"decided": 3}, "streaming_decisions_total 3.0"),
        ({"held_override": 2}, 'streaming_held_total{reason="override"} 2.0'),
        ({"dead_not_json": 4}, 'streaming_dead_letters_total{reason="not_json"} 4.0'),
        ({"duplicate_outcomes": 5}, 'streaming_outcomes_total{result="duplicate"} 5.0'),
        ({"lost": 6}, "streaming_lost_messages_total 6.0"),
    ],
)
def test_what_a_batch_did_is_counted_by_name(counted, line):
    metrics, port = StreamMetrics(max_lag=1), free_port()
    metrics.serve(port)
    metrics.count(Counter(counted))
    assert line in get(port, "/metrics")[1].splitlines()
