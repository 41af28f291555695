import pytest
from django.db import transaction
from django.utils import timezone

from experiments.models import DeadLetter, OutboxMessage, StreamOffset
from experiments.selectors.streams import outbox_size, stored_offsets
from experiments.services.streams import (
    Advance,
    Envelope,
    StreamMovedError,
    Unusable,
    advance_offsets,
    bury_messages,
    enqueue_messages,
    send_enqueued,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def advance(expected, next_offset, *, lost=0, partition=0):
    advance_offsets(cluster="c1", advances={("t", partition): Advance(expected, next_offset, lost)}, now=NOW)


def test_offsets_move_and_losses_add_up():
    advance(None, 10)
    advance(10, 20, lost=3)
    advance(20, 30, lost=4)
    assert stored_offsets(cluster="c1") == {("t", 0): 30}
    assert StreamOffset.objects.get().lost == 7


def test_offsets_of_another_cluster_mean_nothing():
    advance(None, 10)
    assert stored_offsets(cluster="c2") == {}


@pytest.mark.parametrize("expected", [None, 5, 15])
def test_a_process_that_was_overtaken_is_stopped(expected):
    advance(None, 10)
    with pytest.raises(StreamMovedError), transaction.atomic():
        advance(expected, 20)
    assert stored_offsets(cluster="c1") == {("t", 0): 10}


def envelopes(number):
    return [Envelope("pricing_decisions", f"k{index}", {"index": index}) for index in range(number)]


def test_messages_are_sent_in_order_and_leave_the_outbox_only_then():
    enqueue_messages(messages=envelopes(3), now=NOW)
    sent = []
    assert send_enqueued(send=sent.extend, limit=2) == 2
    assert sent == envelopes(3)[:2]
    assert outbox_size() == 1


def test_messages_that_could_not_be_sent_stay():
    enqueue_messages(messages=envelopes(2), now=NOW)

    def fail(messages):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        send_enqueued(send=fail, limit=10)
    assert OutboxMessage.objects.count() == 2


def test_a_dead_letter_keeps_the_bytes_as_they_came():
    bury_messages(letters=[Unusable("t", 1, 7, "not_json", "bad \0 byte", b"\x00\xff")], now=NOW)
    letter = DeadLetter.objects.get()
    assert bytes(letter.payload) == b"\x00\xff"
    assert str(letter) == "t[1]@7: not_json"
