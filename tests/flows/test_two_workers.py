"""Walk: a run with goals over two workers, one of them killed: the prices are those of one process, each found once."""

import os
import signal
import time
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from catalog.models import PriceChange
from optimizer.models import OptimizationRun, Recommendation, RunChunk, RunGoals
from optimizer.services import open_run as open_run_module
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.solve_together import solve_together
from optimizer.tasks import enqueue_chunks, resume_stalled_runs
from tests.factories import make_channel, make_listing
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_SECONDS = 90
PRODUCTS, CHUNK = 24, 2


def opened(**fields) -> OptimizationRun:
    return open_run(channel=make_channel(), objective="profit", now=timezone.now(), **fields)


def prices(run: OptimizationRun) -> dict[int, Decimal | None]:
    return dict(Recommendation.objects.filter(run=run).values_list("listing", "price"))


def wait_for(condition, doing=lambda: None) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        doing()
        time.sleep(0.1)


def test_two_workers_come_to_the_prices_of_one_though_one_is_killed(start, monkeypatch):
    monkeypatch.setattr(open_run_module, "CHUNK_LISTINGS", CHUNK)
    listings = [
        make_listing(list_price=Decimal(5 + number), unit_cost=Decimal(5 + number) * Decimal("0.6"))
        for number in range(PRODUCTS)
    ]
    make_fit(make_channel(), listings, mean=-2.2)
    RunGoals.objects.create(channel=make_channel(), most_changes=9, least_revenue_change=Decimal("0.005"))

    alone = opened(publishes=False)
    for first_pk in alone.chunks.values_list("first_pk", flat=True):
        optimize_chunk(run_id=alone.pk, first_pk=first_pk, now=timezone.now())
    solve_together(run_id=alone.pk, now=timezone.now())
    close_run(run_id=alone.pk, now=timezone.now())

    run = opened()
    command = ("celery", "-A", "pricing_site", "worker", "-Q", "celery,gpu", "-c", "1", "--loglevel", "info")
    workers = [start(*command, "-n", f"worker{number}@%h") for number in range(2)]
    with transaction.atomic():
        # A chunk that nobody gets while we hold it, so that the run is under way when the worker is killed.
        held = RunChunk.objects.select_for_update().filter(run=run).order_by("first_pk").last()
        enqueue_chunks(run.pk)
        wait_for(lambda: RunChunk.objects.filter(run=run, finished_at__isnull=False).count() >= 3)
        os.killpg(workers[0].pid, signal.SIGKILL)
        workers[0].wait()
        assert RunChunk.objects.get(pk=held.pk).finished_at is None

    def finished() -> bool:
        run.refresh_from_db()
        return run.is_finished

    wait_for(finished, doing=resume_stalled_runs)
    assert run.status == "succeeded", run.error
    assert prices(run) == prices(alone)
    assert run.portfolio["value"] == pytest.approx(OptimizationRun.objects.get(pk=alone.pk).portfolio["value"])
    assert run.guard_numbers["changed"] <= 9
    assert Recommendation.objects.filter(run=run).count() == PRODUCTS
    assert PriceChange.objects.filter(run_id=run.pk).count() == run.guard_numbers["outcomes"]["published"]
