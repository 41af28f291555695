"""Batch work for the workers. Messages carry keys, never data; a task may be delivered twice."""

import contextlib
import logging
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.db.models import Exists, OuterRef
from django.utils import timezone

from catalog.models import Channel, WeeklySales
from optimizer.models import ElasticityFit, OptimizationRun, RunChunk, TrainingJob
from optimizer.selectors.forecasts import last_asked
from optimizer.services.decide_run import decide_run
from optimizer.services.end_run import fail_run
from optimizer.services.open_due_runs import open_due_runs
from optimizer.services.open_training import open_fit, open_forecaster
from optimizer.services.publish_run import Part, finish_publishing, parts_left, publish_run
from optimizer.services.refresh_features import RefreshUnderWay, refresh_features

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=1)
RESUME_SECONDS = 300


def enqueue_chunks(run_id: UUID) -> None:
    """Send a task for every chunk of a run that is not finished."""
    for chunk in RunChunk.objects.filter(run_id=run_id, finished_at=None):
        optimize_prices.delay(str(run_id), chunk.first_pk, chunk.last_pk)


def enqueue_parts(run: OptimizationRun) -> None:
    """Send a task for every part of a run that waits to be published."""
    for part in parts_left(run):
        publish_prices.delay(str(run.pk), part)


def _decide(run_id: UUID) -> None:
    """Decide on a run; whoever has it published sends its parts, nobody else does."""
    now = timezone.now()
    run = decide_run(run_id=run_id, now=now)
    if run.publishing_since == now:
        enqueue_parts(run)


@shared_task
def optimize_prices(run_id: str, first_pk: int, last_pk: int) -> None:
    """Compute one chunk; whoever finishes the last one solves related prices and has the run published."""
    # Imported here: the web process imports this module to send tasks and must not load torch.
    from optimizer.services.optimize_chunk import optimize_chunk
    from optimizer.services.solve_together import solve_together

    optimize_chunk(run_id=UUID(run_id), first_pk=first_pk, now=timezone.now())
    solve_together(run_id=UUID(run_id), now=timezone.now())
    _decide(UUID(run_id))


@shared_task
def publish_prices(run_id: str, part: Part) -> None:
    """Publish one part of a run; whoever ends the last one finishes the run."""
    publish_run(run_id=UUID(run_id), parts=[part], now=timezone.now())


@shared_task
def open_scheduled_runs() -> None:
    """Open the daily runs whose time has come and send their chunks."""
    for run_id in open_due_runs(now=timezone.now()):
        enqueue_chunks(run_id)


@shared_task
def resume_stalled_runs() -> None:
    """Send again what a lost message or a killed worker left undone; chunks at work are locked and skipped."""
    for run in OptimizationRun.objects.filter(finished_at=None).order_by("created_at"):
        try:
            _resume(run)
        except Exception as error:  # one run that cannot go on must not hold up the others
            logger.exception("Run %s cannot be resumed", run.pk)
            _give_up(run, str(error))


def _give_up(run: OptimizationRun, error: str) -> None:
    """Fail a run that was under way for so long that nobody waits for its prices any more."""
    if timezone.now() - (run.publishing_since or run.created_at) > GIVE_UP_AFTER:
        fail_run(run_id=run.pk, error=f"given up: {error}", now=timezone.now())


def _resume(run: OptimizationRun) -> None:
    if run.is_publishing:
        if not parts_left(run):
            finish_publishing(run_id=run.pk, now=timezone.now())
        enqueue_parts(run)
        _give_up(run, run.error or "its prices could not be published for a day")
    elif run.chunks.filter(finished_at=None).exists():
        enqueue_chunks(run.pk)
    else:
        from optimizer.services.solve_together import solve_together  # as above: not in the web process

        solve_together(run_id=run.pk, now=timezone.now())
        _decide(run.pk)


@shared_task
def train_models() -> None:
    """Have the demand of every channel that has sales learned anew, with the method that is live.

    Forecasters too, of the steps that somebody asked for once, as they were asked for last.
    """
    sales = WeeklySales.objects.filter(listing__channel=OuterRef("pk"))
    for channel in Channel.objects.filter(Exists(sales)).order_by("code"):
        try:
            run_training.delay(open_fit(channel=channel, now=timezone.now()).pk)
            for asked in last_asked(channel=channel):
                run_training.delay(open_forecaster(channel=channel, now=timezone.now(), **asked).pk)
        except Exception:  # the other channels are learned all the same
            logger.exception("Training of channel %s could not be sent", channel.code)


@shared_task
def run_training(job_id: int) -> None:
    """Do a training job, or go on with one whose worker was lost."""
    from optimizer.services import run_training as training  # as above: not in the web process

    job = training.run_training(job_id=job_id, clock=timezone.now)
    words = job.error or job.result.get("words", "")
    logger.log(logging.WARNING if job.error else logging.INFO, "%s is %s. %s", job, job.status, words)


@shared_task
def resume_training() -> None:
    """Send again every training job that is not finished; those at work are left alone."""
    for job_id in TrainingJob.objects.filter(finished_at=None).order_by("created_at").values_list("pk", flat=True):
        run_training.apply_async((job_id,), expires=RESUME_SECONDS)  # the next one sends it again


@shared_task
def evaluate_model(fit_id: int) -> None:
    """Judge a fit against the live one."""
    from optimizer.services.evaluate_fit import evaluate_fit  # as above: not in the web process

    evaluate_fit(fit=ElasticityFit.objects.select_related("channel").get(pk=fit_id), now=timezone.now())


@shared_task
def evaluate_forecaster(forecaster_id: int) -> None:
    """Judge a forecaster on its held-out steps, against the live one."""
    from optimizer.services.judge_forecaster import judge_forecaster  # as above: not in the web process

    judge_forecaster(forecaster_id=forecaster_id, now=timezone.now())


@shared_task
def forecast_demand(channel_id: int, step: str) -> None:
    """Forecast all listings of a channel with its live forecaster: sent when another one went live by hand."""
    from optimizer.services import forecast_demand as forecasting  # as above: not in the web process

    forecasting.forecast_demand(channel=Channel.objects.get(pk=channel_id), step=step, now=timezone.now())


@shared_task
def replan_markdown_plans() -> None:
    """Decide the prices of markdown plans whose period began or whose stock is not where it was expected."""
    from optimizer.services.replan_markdowns import replan_markdowns

    replan_markdowns(now=timezone.now())


@shared_task
def ask_policies() -> None:
    """Write down what trained policies would have done where markdown plans decided."""
    from optimizer.services.shadow_policies import shadow_policies  # as above: not in the web process

    shadow_policies(now=timezone.now())


@shared_task
def refresh_feature_store() -> None:
    """Refresh the features of every channel: windows move on, changed facts are recorded, lost writes are made good."""
    for channel in Channel.objects.order_by("code"):
        with contextlib.suppress(RefreshUnderWay):
            refresh_features(channel=channel)
