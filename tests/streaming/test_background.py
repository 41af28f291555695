"""Plans are made beside the decisions, by a process that may die."""

import os
import signal
import uuid

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone

from catalog.models import GuardrailPolicy
from experiments.models import BanditContext, ChoiceSet
from experiments.services.choices import ChoiceBook
from experiments.services.decide_prices import DemandEvent, decide_prices
from optimizer.features.online import stored_records
from optimizer.features.rows import PLACE
from optimizer.services.add_activity import add_activity
from optimizer.services.record_activity import View
from streaming.background import Background, ChildChores, OwnChores
from streaming.handlers import Memory
from tests.factories import make_listing

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()


@pytest.fixture
def memory():
    """What a process remembers that has decided for two products."""
    found = Memory(ChoiceBook(is_planned=True))
    make_listing("A"), make_listing("B")
    events = [DemandEvent(uuid.uuid4(), "web", sku, "london", 1, 1, NOW) for sku in "ABAB"]
    with transaction.atomic():
        decide_prices(events=events, now=NOW, rng=np.random.default_rng(0), book=found.book)
    views = [View(each.event_id, "web", each.sku, 1, NOW) for each in events]
    add_activity(views=views, purchased=[], now=NOW, pending=found.pending)
    return found


@pytest.fixture
def child(monkeypatch):
    database = connection.settings_dict
    address = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    monkeypatch.setenv("DATABASE_URL", f"postgres://{address}")
    chores = ChildChores()
    yield chores
    chores.close()


def planned():
    return ChoiceSet.objects.filter(policy="demand_curve_bank").count()


def test_a_round_plans_what_was_touched_writes_features_and_lets_the_process_decide_by_it(memory):
    background = Background(memory, OwnChores(np.random.default_rng(1)))
    background._round()
    assert planned() == 2
    assert not np.isnan(stored_records(channel="web", skus=["A", "B"])[:, PLACE["activity_at"]]).any()
    event = DemandEvent(uuid.uuid4(), "web", "A", "london", 1, 1, NOW)
    with transaction.atomic():
        decide_prices(events=[event], now=NOW, rng=np.random.default_rng(0), book=memory.book)
    context = BanditContext.objects.get(listing__product__sku="A")
    assert ChoiceSet.objects.filter(policy="demand_curve_bank", decisions__context=context).exists()
    background._round()
    assert planned() == 2  # nothing was learned meanwhile


def test_a_child_plans_and_one_that_was_killed_is_started_again_for_what_it_left(memory, child):
    background = Background(memory, child)
    background._round()
    assert planned() == 2
    os.kill(child._child.pid, signal.SIGKILL)
    child._child.wait()
    GuardrailPolicy.objects.create(max_change="0.05")
    memory.book.touched.add(BanditContext.objects.values_list("pk", flat=True))
    background._round()
    assert planned() == 4


def test_what_was_touched_is_handed_over_at_the_commit_and_not_before():
    make_listing("A")
    memory = Memory(ChoiceBook(is_planned=True))
    event = DemandEvent(uuid.uuid4(), "web", "A", "london", 1, 1, NOW)
    with transaction.atomic():
        decide_prices(events=[event], now=NOW, rng=np.random.default_rng(0), book=memory.book)
        views = [View(event.event_id, "web", "A", 1, NOW)]
        add_activity(views=views, purchased=[], now=NOW, pending=memory.pending)
        assert (memory.book.touched.take(), memory.pending.take()) == (set(), set())
    assert memory.book.touched.take() and memory.pending.take()


def test_closed_it_writes_the_features_that_are_still_to_be_written(memory):
    background = Background(memory, OwnChores(np.random.default_rng(1)))
    background.start()
    background.close()
    assert not np.isnan(stored_records(channel="web", skus=["A", "B"])[:, PLACE["activity_at"]]).any()


def test_what_fails_is_asked_for_again(memory, caplog):
    class Broken:
        def do(self, context_ids, listing_ids):
            raise OSError("gone")

        def close(self): ...

    background = Background(memory, Broken())
    background._round()
    assert "Put off: gone" in caplog.text and planned() == 0
    background._chores = OwnChores(np.random.default_rng(1))
    background._round()
    assert planned() == 2
