"""Send dead letters once more, to the topic that they came from."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from experiments.models import DeadLetter
from experiments.services.streams import Envelope, enqueue_messages

AT_ONCE = 500


def replay_dead_letters(*, letter_ids: Sequence[int], now: datetime) -> list[int]:
    """Put letters into the outbox, each once; return the keys of those that were, the others had been before.

    The mark and the message commit together: killed in between, a letter is neither lost nor sent twice. It names
    itself in a header, so that a message that fails again becomes a letter that names the first.
    """
    replayed: list[int] = []
    for start in range(0, len(letter_ids), AT_ONCE):
        replayed += _replay(letter_ids[start : start + AT_ONCE], now)
    return replayed


@transaction.atomic
def _replay(letter_ids: Sequence[int], now: datetime) -> list[int]:
    waiting = DeadLetter.objects.filter(pk__in=letter_ids, replayed_at=None)
    letters = list(waiting.select_for_update().order_by("pk"))
    enqueue_messages(
        messages=[
            Envelope(letter.topic, f"{letter.topic}:{letter.partition}", bytes(letter.payload), replay_of=letter.pk)
            for letter in letters
        ],
        now=now,
    )
    keys = [letter.pk for letter in letters]
    DeadLetter.objects.filter(pk__in=keys).update(replayed_at=now)
    return keys
