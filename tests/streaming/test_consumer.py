import threading
from types import SimpleNamespace

import numpy as np
import pytest
from kafka import TopicPartition

from streaming.consumer import BanditStream, missing_in_database
from streaming.waiting import wait_until_nothing_is_missing
from tests.factories import make_listing

PARTITION = TopicPartition("demand_events", 0)


def advance(expected, *offsets):
    stream = BanditStream(stop=threading.Event(), rng=np.random.default_rng(0))
    stream.expected = {tuple(PARTITION): expected}
    return stream._advance(PARTITION, [SimpleNamespace(offset=offset) for offset in offsets])


@pytest.mark.parametrize(
    ("expected", "offsets", "lost"),
    [
        (5, (5, 6, 7), 0),
        (None, (40, 41), 0),  # read for the first time: what was before is not ours
        (5, (9, 10), 4),
        (5, (5, 8), 2),
        (5, (0, 1), 0),  # the topic has begun anew
    ],
)
def test_a_gap_in_the_offsets_is_counted(expected, offsets, lost):
    found = advance(expected, *offsets)
    assert (found.expected, found.next_offset, found.lost) == (expected, offsets[-1] + 1, lost)


def test_a_gap_is_an_error_in_the_log(caplog):
    advance(5, 9)
    assert "the broker deleted 4 messages" in caplog.text


@pytest.mark.django_db
def test_without_products_it_waits_and_says_for_what():
    assert "no active products in the channel 'web'" in missing_in_database()
    make_listing("A")
    assert missing_in_database() is None


def test_waiting_says_once_what_is_missing_and_ends_when_told_to(caplog, monkeypatch):
    monkeypatch.setattr("streaming.waiting.ASK_SECONDS", 0.0)
    stop = threading.Event()
    answers = iter(["brokers", "brokers", "topics", None])
    assert wait_until_nothing_is_missing(lambda: next(answers), stop)
    assert [record.getMessage() for record in caplog.records] == ["Waiting: brokers", "Waiting: topics"]
    stop.set()
    assert not wait_until_nothing_is_missing(lambda: "brokers", stop)
