"""A run is published part by part: rolled back, stopped or given up in the middle, the rest stays out of force."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from catalog.models import KillSwitch, Listing, PriceChange, PriceGroup, PriceGroupMember
from catalog.services.kill_switches import flip_kill_switch, lift_kill_switch
from catalog.services.roll_back import roll_back_run
from optimizer.models import OptimizationRun, Recommendation
from optimizer.services import open_run as open_run_module
from optimizer.services import publish_run as publish_run_module
from optimizer.services.canary import release_run
from optimizer.services.decide_run import decide_run
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.publish_run import finish_publishing, parts_left, publish_part, publish_run
from optimizer.tasks import publish_prices, resume_stalled_runs
from tests.factories import make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(monkeypatch) -> OptimizationRun:
    """A run of two parts, of which none is published."""
    monkeypatch.setattr(open_run_module, "CHUNK_LISTINGS", 2)
    listings = [make_listing() for _ in range(4)]
    make_fit(listings[0].channel, listings)
    run = open_run(channel=listings[0].channel, objective="profit", now=timezone.now())
    for first_pk in run.chunks.values_list("first_pk", flat=True):
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
    return decide_run(run_id=run.pk, now=timezone.now())


def published(run: OptimizationRun, *, parts: int) -> OptimizationRun:
    return publish_run(run_id=run.pk, parts=parts_left(run)[:parts], now=timezone.now())


def roll_back(run: OptimizationRun) -> None:
    roll_back_run(run_id=run.pk, author=None, reason="wrong costs", now=timezone.now())


def test_rolled_back_in_the_middle_the_first_part_makes_way_and_the_second_is_refused(run):
    assert published(run, parts=1).status == "publishing"
    assert list(Listing.objects.order_by("pk").values_list("price_source", flat=True)) == ["optimizer"] * 2 + [""] * 2
    roll_back(run)
    run = published(run, parts=1)
    assert (run.status, run.guard_numbers["reasons"]) == ("succeeded", {"rolled_back": 2})
    assert list(Listing.objects.order_by("pk").values_list("price_source", flat=True)) == ["rollback"] * 2 + [""] * 2


def test_a_rollback_waits_for_the_part_that_is_being_published_and_takes_it_back(run):
    published(run, parts=1)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            publish_part(run_id=run.pk, part=parts_left(run)[0], now=timezone.now())

            def rolling_back():
                roll_back(run)
                connections.close_all()

            rolling = pool.submit(rolling_back)
            with pytest.raises(TimeoutError):
                rolling.result(timeout=0.5)
        rolling.result(timeout=60)
    assert set(Listing.objects.values_list("price_source", flat=True)) == {"rollback"}


def test_a_part_under_a_kill_switch_is_refused_by_name_and_what_is_in_force_stays(run):
    published(run, parts=1)
    flip_kill_switch(reason="wrong costs", through="test", now=timezone.now())
    run = published(run, parts=1)
    assert (run.status, run.guard_numbers["reasons"]) == ("succeeded", {"kill_switch": 2})
    assert PriceChange.objects.count() == 2


def test_a_part_that_another_worker_is_at_is_left_to_it_and_a_part_is_published_once(run):
    part = parts_left(run)[0]
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        publish_part(run_id=run.pk, part=part, now=timezone.now())

        def another():
            publish_prices(str(run.pk), part)
            connections.close_all()

        pool.submit(another).result(timeout=60)
    assert PriceChange.objects.count() == 2
    publish_prices(str(run.pk), part)
    assert PriceChange.objects.count() == 2 and finish_publishing(run_id=run.pk, now=timezone.now()).is_publishing


def test_beat_sends_the_parts_left_and_gives_up_after_a_day(run, monkeypatch):
    sent = []
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", lambda *message: sent.append(message))
    published(run, parts=1)
    resume_stalled_runs()
    assert sent == [(str(run.pk), part) for part in parts_left(run)] and len(sent) == 1
    OptimizationRun.objects.update(created_at=timezone.now() - timedelta(days=2))  # opened long ago, published now
    resume_stalled_runs()
    run.refresh_from_db()
    assert run.is_publishing
    OptimizationRun.objects.update(publishing_since=timezone.now() - timedelta(days=2))
    resume_stalled_runs()
    run.refresh_from_db()
    assert run.status == "failed" and "could not be published for a day" in run.error
    publish_prices(*sent[0])
    assert PriceChange.objects.count() == 2 and Recommendation.objects.filter(outcome="waiting").count() == 2


def test_beat_finishes_a_run_whose_worker_was_killed_after_the_last_part(run):
    for part in parts_left(run):
        publish_part(run_id=run.pk, part=part, now=timezone.now())
    resume_stalled_runs()
    run.refresh_from_db()
    assert run.status == "succeeded" and run.guard_numbers["outcomes"] == {"published": 4}


def test_what_goes_wrong_with_a_part_is_written_down_and_the_part_waits(run, monkeypatch):
    def broken(**fields):
        raise RuntimeError("no such luck")

    with monkeypatch.context() as patch:
        patch.setattr("optimizer.services.publish_run.publish_recommendations", broken)
        with pytest.raises(RuntimeError):
            published(run, parts=1)
    run.refresh_from_db()
    assert "no such luck" in run.error and len(parts_left(run)) == 2
    assert published(run, parts=2).error == ""


def test_a_part_that_is_begun_three_times_in_vain_holds_the_run(run, monkeypatch):
    """Each beginning is as if its worker had been killed: counted, and nothing of the part is there."""
    published(run, parts=1)
    (part,) = parts_left(run)
    with monkeypatch.context() as patch:
        patch.setattr("optimizer.services.publish_run._publish_chunk", lambda *arguments: None)
        for _ in range(3):
            publish_part(run_id=run.pk, part=part, now=timezone.now())
    publish_part(run_id=run.pk, part=part, now=timezone.now())
    run.refresh_from_db()
    assert (run.status, run.error) == ("held", f"prices from listing {part} were begun 3 times in vain")
    assert PriceChange.objects.count() == 2


def test_what_the_database_refuses_is_written_down_with_the_run(run, monkeypatch):
    def refused(**fields):
        raise IntegrityError("ledger_price_not_below_floor")

    monkeypatch.setattr("optimizer.services.publish_run.publish_recommendations", refused)
    with pytest.raises(IntegrityError):
        published(run, parts=1)
    run.refresh_from_db()
    assert "ledger_price_not_below_floor" in run.error and run.is_publishing


def test_who_joins_a_family_meanwhile_is_published_with_the_last(run):
    published(run, parts=1)
    family = PriceGroup.objects.create(kind="family", name="mugs")
    for listing in Listing.objects.order_by("pk")[2:]:
        PriceGroupMember.objects.create(group=family, kind="family", product=listing.product)
    run = published(run, parts=1)
    assert (run.status, run.guard_numbers["outcomes"]) == ("succeeded", {"published": 4})


def test_a_kill_switch_in_the_middle_of_a_release_has_the_rest_wait_again(run, monkeypatch):
    run.canary_share, run.status = Decimal("0.25"), "running"
    run.save()
    run = published(decide_run(run_id=run.pk, now=timezone.now()), parts=2)
    assert (run.status, PriceChange.objects.count()) == ("canary", 1)
    run = release_run(run_id=run.pk, author=None, now=timezone.now())
    gate = publish_run_module.publish_recommendations

    def gate_then_flip(**fields):
        report = gate(**fields)
        with ThreadPoolExecutor(1) as pool:

            def flip():
                flip_kill_switch(reason="wrong costs", through="test", now=timezone.now())
                connections.close_all()

            pool.submit(flip).result(timeout=60)
        return report

    with monkeypatch.context() as patch:
        patch.setattr(publish_run_module, "publish_recommendations", gate_then_flip)
        published(run, parts=1)
    run.refresh_from_db()
    assert (run.status, run.error) == ("canary", publish_run_module.KILLED)
    assert run.guard_numbers["reasons"] == {"waits_for_release": 3} and PriceChange.objects.count() == 1
    lift_kill_switch(switch_id=KillSwitch.objects.get().pk, through="test", now=timezone.now())
    run = published(release_run(run_id=run.pk, author=None, now=timezone.now()), parts=2)
    assert (run.status, run.error, PriceChange.objects.count()) == ("succeeded", "", 4)
