"""A kill switch flipped in the middle: it waits for no batch, and once it is on no automatic price commits."""

import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from catalog.gate import Proposal, publish_prices
from catalog.models import Listing, PriceChange, Product
from catalog.models.listing import PriceSource
from catalog.services.kill_check import is_kill_switch
from catalog.services.kill_switches import flip_kill_switch, lift_kill_switch
from optimizer.models import MarkdownPlan, OptimizationRun, Recommendation
from optimizer.services import promote_simulation as promotion
from optimizer.services import replan_markdowns as markdowns
from optimizer.services.markdown_plans import start_markdown_plan
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.publish_run import KILLED
from tests.factories import make_channel, make_listing
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit
from tests.optimizer.simulations import computed

pytestmark = pytest.mark.django_db(transaction=True)

LISTINGS = 4_000
FLIP_SECONDS = 0.1


def flip(**scope):
    return flip_kill_switch(reason="wrong costs", through="test", now=timezone.now(), **scope)[0]


def timed_flip(**scope):
    began = time.perf_counter()
    switch = flip(**scope)
    return switch, time.perf_counter() - began


def many_listings(count):
    channel = make_channel()
    products = Product.objects.bulk_create(Product(sku=f"S{n:05}", name=f"Product {n}") for n in range(count))
    Listing.objects.bulk_create(
        Listing(product=product, channel=channel, list_price=Decimal(10), unit_cost=Decimal(6)) for product in products
    )
    return channel, list(Listing.objects.order_by("pk").values_list("pk", flat=True))


def publish_all(channel, listing_ids, price="10.50", key="night", version=0):
    return publish_prices(
        channel=channel,
        proposals=[Proposal(pk, Decimal(price), key, version) for pk in listing_ids],
        source=PriceSource.OPTIMIZER,
        now=timezone.now(),
    )


def in_thread(pool, work, *arguments):
    def closing():
        try:
            return work(*arguments)
        finally:
            connections.close_all()

    return pool.submit(closing)


def is_locked(pk):
    with transaction.atomic():
        return not Listing.objects.select_for_update(skip_locked=True).filter(pk=pk).exists()


def refusals_or_killed(channel, listing_ids):
    """Publish, and return the refusals, or "killed" where the commit failed because of a switch."""
    try:
        return set(publish_all(channel, listing_ids).refused.values())
    except IntegrityError as error:
        assert is_kill_switch(error)
        return "killed"


def test_a_flip_does_not_wait_for_a_big_batch_of_which_nothing_is_published():
    channel, keys = many_listings(LISTINGS)
    connections.close_all()  # the batch is another process, as in life: a thread would make the flip wait for Python
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        batch = pool.submit(refusals_or_killed, channel, keys)
        while not is_locked(keys[0]):
            assert not batch.done()
        _, seconds = timed_flip()
        assert not batch.done(), "the batch was over before the flip: make it bigger"
        outcome = batch.result(timeout=60)
    assert outcome in ("killed", {"kill_switch"})  # the latter if it had not read the switches yet
    assert seconds < FLIP_SECONDS
    assert not PriceChange.objects.exists() and not Listing.objects.filter(price__isnull=False).exists()


@pytest.mark.parametrize(("scope", "published"), [({}, 0), ({"model": "optimizer"}, 0), ({"model": "bandit"}, 3)])
def test_what_comes_between_the_gate_and_the_commit_changes_nothing(scope, published):
    channel, keys = many_listings(3)
    ready, go = threading.Event(), threading.Event()

    def run():
        with transaction.atomic():
            publish_all(channel, keys)
            ready.set()
            go.wait(60)

    with ThreadPoolExecutor(1) as pool:
        batch = in_thread(pool, run)
        ready.wait(60)
        _, seconds = timed_flip(**scope)
        go.set()
        error = batch.exception(timeout=60)
    assert seconds < FLIP_SECONDS
    assert (error is None) == bool(published)
    assert PriceChange.objects.count() == published


def test_no_automatic_price_commits_after_a_flip_returned():
    channel, keys = many_listings(4)
    stop = threading.Event()

    def publish_again_and_again(pk):
        outcomes = {"published": 0, "stopped": 0}
        while not stop.is_set():
            version = Listing.objects.get(pk=pk).price_version
            price = "10.50" if version % 2 else "10.40"
            try:
                report = publish_all(channel, [pk], price, f"k{version}", version)
                outcomes["published" if report.published else "stopped"] += 1
            except IntegrityError as error:
                assert is_kill_switch(error)
                outcomes["stopped"] += 1
        return outcomes

    flips = 0
    with ThreadPoolExecutor(len(keys)) as pool:
        workers = [in_thread(pool, publish_again_and_again, pk) for pk in keys]
        try:
            for _ in range(12):
                time.sleep(0.1)
                switch, seconds = timed_flip()
                after = PriceChange.objects.count()
                time.sleep(0.1)
                assert PriceChange.objects.count() == after
                assert seconds < FLIP_SECONDS * 5  # five busy processes on a small machine; the point is the ledger
                lift_kill_switch(switch_id=switch.pk, through="test", now=timezone.now())
                flips += 1
        finally:
            stop.set()
        outcomes = [worker.result(timeout=60) for worker in workers]
    assert flips == 12 and all(each["published"] and each["stopped"] for each in outcomes)


def test_a_run_in_the_middle_of_which_a_switch_is_flipped_is_held_and_publishes_nothing():
    listing = make_listing()
    make_fit(listing.channel, [listing])
    run = open_run(channel=listing.channel, objective="profit", now=timezone.now())
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            # The run records what the gate did after the gate: there it waits for this row.
            Recommendation.objects.select_for_update().get(run=run)
            closing = in_thread(pool, lambda: close_run(run_id=run.pk, now=timezone.now()))
            # Asked in another connection: this one would keep the lock that it tries.
            while not in_thread(pool, is_locked, listing.pk).result(timeout=60):
                assert not closing.done()
            time.sleep(0.3)
            in_thread(pool, flip).result(timeout=60)
        closed = closing.result(timeout=60)
    assert (closed.status, closed.error) == (OptimizationRun.Status.HELD, KILLED)
    assert not PriceChange.objects.exists()
    assert Recommendation.objects.get(run=run).outcome == Recommendation.Outcome.WAITING


def flipping_after(monkeypatch, module, name):
    """Have a switch flipped by somebody else after the gate's work and before the commit, the first time."""
    gate, flips = getattr(module, name), []

    def gate_then_flip(**fields):
        report = gate(**fields)
        if not flips:
            with ThreadPoolExecutor(1) as pool:
                flips.append(in_thread(pool, flip).result(timeout=60))
        return report

    monkeypatch.setattr(module, name, gate_then_flip)
    return flips


def test_a_promotion_in_the_middle_of_which_a_switch_is_flipped_says_so_and_publishes_nothing(monkeypatch):
    simulation = computed(make_listing())
    flipping_after(monkeypatch, promotion, "publish_recommendations")
    fields = {"run_id": simulation.run_id, "expected": simulation.fingerprint, "author": None}
    with pytest.raises(promotion.GateRefused, match="a kill switch was flipped during the promotion"):
        promotion.promote_simulation(**fields, now=timezone.now())
    simulation.refresh_from_db()
    assert simulation.promoted_at is None and not PriceChange.objects.exists()


def test_markdown_plans_wait_while_a_switch_is_on_also_one_flipped_in_their_middle(monkeypatch):
    listing, today = make_listing(inventory=200), timezone.localdate()
    make_fit(listing.channel, [listing])
    dates = {"starts_on": today, "ends_on": today + timedelta(days=27)}
    plan = MarkdownPlan(listing=listing, created_at=timezone.now(), penalty=Decimal(2), reason="Winter", **dates)
    plan = start_markdown_plan(plan=plan, now=timezone.now())
    flips = flipping_after(monkeypatch, markdowns, "publish_prices")
    for now in (timezone.now(), timezone.now() + timedelta(days=28)):
        assert markdowns.replan_markdowns(now=now) == {"stopped": 1}
    assert not PriceChange.objects.exists() and not plan.steps.exists()
    lift_kill_switch(switch_id=flips[0].pk, through="test", now=timezone.now())
    assert markdowns.replan_markdowns(now=timezone.now()) == {"published": 1}
