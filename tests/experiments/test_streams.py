import pytest
from django.db import transaction
from django.utils import timezone

from experiments.models import DeadLetter, OutboxBatch, StreamOffset
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
    return [Envelope("pricing_decisions", f"k{index}", b"%d" % index) for index in range(number)]


def test_messages_are_sent_in_order_and_leave_the_outbox_only_then():
    for number in (3, 2):
        enqueue_messages(messages=envelopes(number), now=NOW)
    sent = []
    assert outbox_size() == 5
    assert send_enqueued(send=sent.extend, limit=1) == 3
    assert sent == envelopes(3)
    assert outbox_size() == 2


def test_messages_that_could_not_be_sent_stay():
    enqueue_messages(messages=envelopes(2), now=NOW)

    def fail(messages):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        send_enqueued(send=fail, limit=10)
    assert outbox_size() == 2


def test_many_messages_are_stored_in_some_rows_and_keep_their_order():
    enqueue_messages(messages=envelopes(2_500), now=NOW)
    assert OutboxBatch.objects.count() == 3
    sent = []
    while send_enqueued(send=sent.extend, limit=1):
        pass
    assert sent == envelopes(2_500) and not OutboxBatch.objects.exists()


def test_a_letter_that_fails_again_names_the_first_and_one_that_never_was_is_not_named():
    bury_messages(letters=[Unusable("t", 1, 7, "not_json", "", b"x")], now=NOW)
    first = DeadLetter.objects.get()
    again = [Unusable("t", 1, 8 + n, "not_json", "", b"x", replay_of) for n, replay_of in enumerate((first.pk, 10**12))]
    bury_messages(letters=again, now=NOW)
    assert list(DeadLetter.objects.order_by("offset").values_list("replay_of", flat=True)) == [None, first.pk, None]


def test_a_dead_letter_keeps_the_bytes_as_they_came():
    bury_messages(letters=[Unusable("t", 1, 7, "not_json", "bad \0 byte", b"\x00\xff")], now=NOW)
    letter = DeadLetter.objects.get()
    assert bytes(letter.payload) == b"\x00\xff"
    assert str(letter) == "t[1]@7: not_json"
