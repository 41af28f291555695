from datetime import UTC, datetime, time, timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from optimizer import tasks
from optimizer.models import OptimizationRun, RunSchedule
from optimizer.services.end_run import fail_run
from optimizer.services.open_due_runs import open_due_runs
from tests.factories import make_channel, make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 26, tzinfo=UTC)


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


@pytest.fixture
def schedule():
    listing = make_listing()
    make_fit(listing.channel, [listing])
    return RunSchedule.objects.create(
        channel=make_channel(), at=time(2, 30), objective="revenue", created_at=MIDNIGHT - timedelta(days=9)
    )


def test_a_run_is_opened_once_when_its_time_has_come(schedule):
    assert open_due_runs(now=at(26.4)) == []  # the day before's was due a day ago
    (opened,) = open_due_runs(now=at(26.6))
    run = OptimizationRun.objects.get(pk=opened)
    assert (run.objective, run.publishes, run.key) == ("revenue", True, "daily:web:2026-11-27")
    assert open_due_runs(now=at(26.7)) == []
    assert len(open_due_runs(now=at(50.6))) == 1


def test_a_late_one_is_opened_within_six_hours_and_then_left_out(schedule):
    assert len(open_due_runs(now=at(2.5 + 5.9))) == 1
    assert open_due_runs(now=at(26.5 + 6.1)) == []


def test_before_midnight_the_next_morning_knows_the_day_it_belongs_to(schedule):
    RunSchedule.objects.update(at=time(23, 0))
    (opened,) = open_due_runs(now=at(24.5))
    assert OptimizationRun.objects.get(pk=opened).key == "daily:web:2026-11-26"


def test_one_that_failed_is_not_opened_again(schedule):
    (opened,) = open_due_runs(now=at(3))
    fail_run(run_id=opened, error="boom", now=at(3))
    assert open_due_runs(now=at(3.1)) == []
    assert OptimizationRun.objects.get(pk=opened).status == "failed"


def test_what_is_off_or_newer_than_its_time_opens_nothing(schedule):
    RunSchedule.objects.update(is_active=False)
    assert open_due_runs(now=at(3)) == []
    RunSchedule.objects.update(is_active=True, created_at=at(2.9))
    assert open_due_runs(now=at(3)) == []


def test_a_channel_without_elasticities_holds_up_no_other(schedule, caplog):
    RunSchedule.objects.create(channel=make_channel("aaa"), at=time(2), created_at=MIDNIGHT - timedelta(days=9))
    assert len(open_due_runs(now=at(3))) == 1
    assert "The daily run cannot be opened: no elasticities for channel 'aaa'" in caplog.text


def test_the_task_sends_the_chunks_of_what_it_opened(schedule, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks, "enqueue_chunks", sent.append)
    now = timezone.now()
    RunSchedule.objects.update(at=(now - timedelta(minutes=1)).time())
    tasks.open_scheduled_runs()
    assert sent == [OptimizationRun.objects.get().pk]


def test_managers_set_it_in_the_admin(client):
    make_channel()
    client.force_login(User.objects.create_superuser("boss"))
    fields = {"channel": make_channel().pk, "at": "02:30", "objective": "profit", "is_active": "on"}
    client.post(reverse("admin:optimizer_runschedule_add"), fields)
    schedule = RunSchedule.objects.get()
    assert schedule.at == time(2, 30) and schedule.created_at <= timezone.now()
    assert "02:30" in client.get(reverse("admin:optimizer_runschedule_changelist")).content.decode()
