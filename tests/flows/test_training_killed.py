"""Walk: a worker is killed while it learns; nobody else was at it, and the next one ends it with one model."""

import os
import signal
import time

import pytest
from django.db import connection, transaction
from django.utils import timezone

from catalog.models import Channel
from optimizer.models import DemandForecast, DemandForecaster, ElasticityFit, TrainingJob
from optimizer.selectors.live_models import live_fit
from optimizer.services.open_training import open_fit, open_forecaster
from optimizer.services.run_training import run_training
from optimizer.tasks import run_training as run_training_task
from tests.factories import make_channel
from tests.locks import somebody_waits_for_a_lock
from tests.optimizer.forecasters import a_daily_shop
from tests.optimizer.test_model_registry import a_shop

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_SECONDS = 60


def wait_for(condition) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def before_the_fit_is_stored() -> None:
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE optimizer_elasticityfit IN SHARE MODE")


def before_it_goes_live() -> None:
    list(Channel.objects.select_for_update(no_key=True))


def test_another_job_of_the_channel_waits_for_the_one_that_a_worker_is_at(start):
    a_shop()
    first, second = (open_fit(channel=make_channel(), now=timezone.now()) for _ in range(2))
    with transaction.atomic():
        before_it_goes_live()
        start("celery", "-A", "pricing_site", "worker", "-Q", "gpu", "-c", "1", "--loglevel", "info")
        run_training_task.delay(first.pk)
        wait_for(somebody_waits_for_a_lock)
        assert run_training(job_id=second.pk, clock=timezone.now).status == "waiting"
    wait_for(lambda: run_training(job_id=second.pk, clock=timezone.now).finished_at is not None)
    assert {job.status for job in TrainingJob.objects.all()} == {"done"} and ElasticityFit.objects.count() == 1


@pytest.mark.parametrize(
    ("hold", "fits", "step"), [(before_the_fit_is_stored, 0, "learning"), (before_it_goes_live, 1, "going live")]
)
def test_killed_at_a_step_the_next_worker_goes_on(start, hold, fits, step):
    a_shop()
    job = open_fit(channel=make_channel(), now=timezone.now(), method="hierarchical")
    with transaction.atomic():
        hold()
        worker = start("celery", "-A", "pricing_site", "worker", "-Q", "gpu", "-c", "1", "--loglevel", "info")
        run_training_task.delay(job.pk)
        wait_for(somebody_waits_for_a_lock)
        found = TrainingJob.objects.get()
        assert found.status == "running" and found.step.startswith(step)
        assert run_training(job_id=job.pk, clock=timezone.now).attempts == 1, "another one was at it"
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    assert ElasticityFit.objects.count() == fits
    assert TrainingJob.objects.get().finished_at is None
    wait_for(lambda: run_training(job_id=job.pk, clock=timezone.now).finished_at is not None)
    done = TrainingJob.objects.get()
    assert (done.status, done.attempts, done.fit) == ("done", 2, live_fit(channel=make_channel()))
    assert ElasticityFit.objects.count() == 1


def test_killed_before_it_goes_live_the_next_worker_keeps_the_forecaster_and_forecasts_once(start):
    channel = a_daily_shop(skus=6)
    job = open_forecaster(channel=channel, now=timezone.now(), step="week", minutes=0.01)
    with transaction.atomic():
        before_it_goes_live()
        worker = start("celery", "-A", "pricing_site", "worker", "-Q", "gpu", "-c", "1", "--loglevel", "info")
        run_training_task.delay(job.pk)
        wait_for(somebody_waits_for_a_lock)
        assert TrainingJob.objects.get().step.startswith("going live")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    learned = DemandForecaster.objects.get()
    assert learned.status == "candidate" and learned.verdict["words"]
    wait_for(lambda: run_training(job_id=job.pk, clock=timezone.now).finished_at is not None)
    done = TrainingJob.objects.get()
    assert (done.status, done.attempts, done.forecaster) == ("done", 2, learned), done.error
    assert done.forecaster.trained_at == learned.trained_at, "it was learned once"
    assert DemandForecast.objects.count() == done.result["forecasts"] == (6 if done.result["live"] else 0)
