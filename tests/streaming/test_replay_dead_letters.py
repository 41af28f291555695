import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from experiments.models import DeadLetter, OutboxBatch, PricingDecision
from experiments.services.dead_letters import replay_dead_letters
from streaming.topics import Topic
from tests.factories import make_listing
from tests.streaming.test_handlers import event, handle

pytestmark = pytest.mark.django_db


def replay(*arguments, **options):
    call_command("replay_dead_letters", *arguments, **options)


def outbox():
    return OutboxBatch.objects.filter(topic="demand_events")


def test_a_letter_goes_back_once_as_it_came_and_names_itself(capsys):
    handle(event(sku="GONE"), event(sku="LOST"))
    OutboxBatch.objects.all().delete()
    replay(reason="unknown_listing", dry_run=True)
    assert "2 would be sent once more: unknown_listing 2" in capsys.readouterr().out and not outbox().exists()
    replay(reason="unknown_listing")
    letters = DeadLetter.objects.order_by("pk")
    assert [(bytes(row.values[0]), row.replay_of) for row in outbox().order_by("pk")] == [
        (bytes(letter.payload), letter.pk) for letter in letters
    ]
    replay(reason="unknown_listing")
    assert "0 wait in the outbox" in capsys.readouterr().out and outbox().count() == 2


def test_once_the_cause_is_mended_it_is_decided_and_else_the_new_letter_names_the_first():
    handle(event(sku="LATER"), event(sku="NEVER"))
    make_listing("LATER")
    letters = list(DeadLetter.objects.order_by("pk"))
    replay_dead_letters(letter_ids=[letter.pk for letter in letters], now=timezone.now())
    rows = list(outbox().order_by("pk"))
    handle(*[(Topic.DEMAND_EVENTS, bytes(row.values[0])) for row in rows], expected=2, replay_of=rows[1].replay_of)
    assert PricingDecision.objects.count() == 1
    again = DeadLetter.objects.latest("pk")
    assert (again.reason, again.replay_of_id) == ("unknown_listing", letters[1].pk)


def test_a_chosen_letter_alone_is_sent():
    handle(event(sku="GONE"), (Topic.DEMAND_EVENTS, b"oops"))
    chosen = DeadLetter.objects.get(reason="not_json")
    replay(chosen.pk)
    assert [bytes(row.values[0]) for row in outbox()] == [b"oops"]


@pytest.mark.parametrize(("options", "cure"), [({}, "say which"), ({"since": "yesterday"}, "give one like")])
def test_bad_arguments_are_named(options, cure):
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with pytest.raises(CommandError, match=cure):
        replay(*arguments)
