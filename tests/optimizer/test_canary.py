"""A share of a run's prices first, the rest when somebody says so."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from catalog.admin.cells import admin_url
from catalog.models import Listing, PriceChange, PriceGroup, PriceGroupMember
from catalog.models.listing import PriceSource
from catalog.services.kill_switches import flip_kill_switch
from catalog.services.roll_back import roll_back_run
from optimizer.admin.canaries import canary_words
from optimizer.models import OptimizationRun, Recommendation, RunLimits
from optimizer.services.canary import CannotRelease, release_run
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.publish_run import parts_left, publish_run
from optimizer.services.solve_together import solve_together
from optimizer.tasks import publish_prices
from tests.factories import make_api_client, make_listing, publish
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


def canary(listings: list[Listing], **fields) -> OptimizationRun:
    channel = listings[0].channel
    make_fit(channel, listings)
    run = open_run(channel=channel, objective="profit", now=timezone.now(), **fields)
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    solve_together(run_id=run.pk, now=timezone.now())
    return close_run(run_id=run.pk, now=timezone.now())


def released(run: OptimizationRun) -> OptimizationRun:
    run = release_run(run_id=run.pk, author=None, now=timezone.now())
    return publish_run(run_id=run.pk, parts=parts_left(run), now=timezone.now())


def test_a_share_is_published_and_the_rest_on_release():
    listings = [make_listing() for _ in range(10)]
    run = canary(listings, canary_share=Decimal("0.2"))
    assert run.status == "canary" and run.is_finished
    assert run.guard_numbers["outcomes"] == {"published": 2, "waiting": 8}
    assert run.guard_numbers["reasons"] == {"waits_for_release": 8}
    assert PriceChange.objects.filter(run_id=run.pk).count() == 2
    run = released(run)
    assert run.status == "succeeded" and run.guard_numbers["outcomes"] == {"published": 10}
    assert not Recommendation.objects.exclude(outcome_reason="").exists()
    assert released(run).status == "succeeded"
    assert PriceChange.objects.filter(run_id=run.pk).count() == 10


def test_the_smallest_share_is_one_price_and_families_wait_as_a_whole():
    alone, one, two = make_listing(), make_listing(), make_listing(unit_cost=Decimal("4.00"))
    family = PriceGroup.objects.create(kind="family", name="mugs")
    for listing in (one, two):
        PriceGroupMember.objects.create(group=family, kind="family", product=listing.product)
    run = canary([alone, one, two], canary_share=Decimal("0.01"))
    assert [change.listing for change in PriceChange.objects.all()] == [alone]
    released(run)
    one.refresh_from_db()
    two.refresh_from_db()
    assert one.price == two.price is not None


def test_the_channels_limits_say_the_usual_share_and_a_run_may_say_another():
    listings = [make_listing() for _ in range(4)]
    RunLimits.objects.create(channel=listings[0].channel, canary_share=Decimal("0.5"))
    assert canary(listings).guard_numbers["outcomes"] == {"published": 2, "waiting": 2}
    assert canary(listings, canary_share=Decimal(1)).status == "succeeded"
    dry = canary(listings, publishes=False)
    assert dry.status == "held" and dry.canary_share is None


def test_what_changed_meanwhile_is_refused_on_release():
    listings = [make_listing() for _ in range(3)]
    run = canary(listings, canary_share=Decimal("0.3"))
    waits = Recommendation.objects.filter(run=run, outcome="waiting").first()
    publish(waits.listing, "11.00", source=PriceSource.LIST_PRICE)
    assert released(run).guard_numbers["outcomes"] == {"published": 2, "refused": 1}
    waits.refresh_from_db()
    assert (waits.outcome, waits.outcome_reason) == ("refused", "price_changed_meanwhile")


@pytest.mark.django_db(transaction=True)  # switches are looked at once more at the commit
def test_under_a_kill_switch_nothing_is_released():
    run = canary([make_listing() for _ in range(3)], canary_share=Decimal("0.3"))
    flip_kill_switch(reason="stop", through="test", now=timezone.now())
    assert released(run).guard_numbers["outcomes"] == {"published": 1, "refused": 2}


def test_only_a_canary_that_stands_can_be_released():
    listings = [make_listing() for _ in range(3)]
    whole = canary(listings)
    with pytest.raises(CannotRelease, match="is succeeded"):
        released(whole)
    with pytest.raises(CannotRelease, match="no run"):
        release_run(run_id=uuid4(), author=None, now=timezone.now())
    Listing.objects.update(unit_cost=Decimal("7.00"))
    run = canary(listings, canary_share=Decimal("0.3"))
    roll_back_run(run_id=run.pk, author=None, reason="no good", now=timezone.now())
    with pytest.raises(CannotRelease, match="was rolled back"):
        released(run)
    assert canary_words(run) == ""


def test_the_command_releases_and_refuses_in_one_line(capsys):
    run = canary([make_listing() for _ in range(3)], canary_share=Decimal("0.3"))
    call_command("release_run", str(run.pk))
    assert "succeeded" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no run") as error:
        call_command("release_run", str(uuid4()))
    assert error.value.returncode == 2
    with pytest.raises(CommandError, match="above 0 and up to 1"):
        call_command("optimize_prices", "--canary-share=5")


def test_the_api_opens_a_canary_and_has_it_released(monkeypatch, django_capture_on_commit_callbacks):
    listings = [make_listing() for _ in range(3)]
    make_fit(listings[0].channel, listings)
    client = make_api_client()
    opened = client.post("/api/v1/optimization-runs", {"canary_share": "0.3"}).json()
    assert opened["canary_share"] == "0.3000"
    path = f"/api/v1/optimization-runs/{opened['id']}"
    assert client.post(f"{path}/release").status_code == 409
    run = OptimizationRun.objects.get()
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    close_run(run_id=run.pk, now=timezone.now())
    assert client.get(path).json()["status"] == "canary"
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)
    with django_capture_on_commit_callbacks(execute=True):
        released = client.post(f"{path}/release")
    assert (released.status_code, released.json()["status"]) == (202, "publishing")
    found = client.get(path).json()
    assert found["guard_numbers"]["outcomes"] == {"published": 3}
    assert found["progress"] == {"chunks": 1, "done": 1, "published": 1}
    wrong = client.post("/api/v1/optimization-runs", {"canary_share": "1.5"})
    assert wrong.status_code == 400 and "canary_share" in str(wrong.json())


def test_the_runs_page_says_what_waits_and_has_the_rest_published(monkeypatch, django_capture_on_commit_callbacks):
    run = canary([make_listing() for _ in range(4)], canary_share=Decimal("0.25"))
    owner = User.objects.create_user("owner", is_staff=True)
    owner.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["optimizer", "catalog"]))
    client = Client()
    client.force_login(owner)
    page = client.get(admin_url("optimizer_optimizationrun_change", run.pk)).content.decode()
    assert "3 others wait" in page and 'id="release"' in page
    release = admin_url("optimizer_optimizationrun_release", run.pk)
    assert client.get(release).status_code == 405
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)
    with django_capture_on_commit_callbacks(execute=True):
        after = client.post(release, follow=True).content.decode()
    assert "The rest is being published" in after and "0 of 1 chunks are published" in after
    assert 'id="release"' not in after
    run.refresh_from_db()
    assert (run.status, run.guard_numbers["outcomes"]) == ("succeeded", {"published": 4})
    assert set(PriceChange.objects.filter(run_id=run.pk).values_list("author__username", flat=True)) == {None, "owner"}


def test_whoever_may_only_look_cannot_publish_the_rest():
    run = canary([make_listing() for _ in range(4)], canary_share=Decimal("0.25"))
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_optimizationrun"))
    client = Client()
    client.force_login(viewer)
    assert 'id="release"' not in client.get(admin_url("optimizer_optimizationrun_change", run.pk)).content.decode()
    assert client.post(admin_url("optimizer_optimizationrun_release", run.pk)).status_code == 403
