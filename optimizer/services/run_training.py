"""Do what a training job asks for. Only workers and commands load this file."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from catalog.sku_week_file import SkuWeeks
from optimizer.engine.hierarchy import HierarchyConfig
from optimizer.forecast_words import method_words
from optimizer.models import HorizonPolicy, TrainingJob
from optimizer.models.training import FORECASTING, JUDGING, LEARNING, PROMOTING
from optimizer.policy_words import policy_words
from optimizer.services.channel_sales import NothingToLearnFrom
from optimizer.services.demand_methods import Config, default_config
from optimizer.services.forecast_demand import NoForecaster, forecast_demand
from optimizer.services.forecast_panel import forecast_panel
from optimizer.services.judge_forecaster import judge_forecaster
from optimizer.services.learn_cross_prices import learn_cross_prices, store_pairs
from optimizer.services.learn_policy import JUDGED_ON, learn_policy, learn_policy_offline, policy_scores
from optimizer.services.promote_forecaster import ForecasterStaysOut, promote_forecaster
from optimizer.services.train_forecaster import learn_forecaster
from optimizer.services.train_model import train_model
from optimizer.services.training_progress import Told, TrainingProgress, nobody

LOCK: Final = 7_420_003
MOST_ATTEMPTS: Final = 3
KILLED: Final = "its worker was killed, maybe for want of memory"
ERROR_LETTERS: Final = 1_000
LIVE_BEFORE: Final = "it went live before models were judged"
Clock = Callable[[], datetime]


def run_training(*, job_id: int, clock: Clock, progress: Told = nobody) -> TrainingJob:
    """Do a job; return it as it is then. While another process is at a job of the channel, it is left alone.

    Each step is done once, whoever does it: killed in between, the next call goes on. Begun three times in vain, such
    as where memory does not suffice, the job fails and says why.

    Raises:
        Exception: what went wrong and may go right the next time; it stands in the job, too.
    """
    with _alone(TrainingJob.objects.values_list("channel", flat=True).get(pk=job_id)) as mine:
        job = TrainingJob.objects.select_related("channel", "created_by").defer("asked").get(pk=job_id)
        if not mine or job.finished_at is not None:
            return job
        if job.attempts >= MOST_ATTEMPTS:
            return _end(job, clock(), error=f"begun {MOST_ATTEMPTS} times in vain: {job.error or KILLED}")
        job.attempts += 1
        job.status, job.error = TrainingJob.Status.RUNNING, ""
        job.save(update_fields=["attempts", "status", "error"])
        try:
            return DO[TrainingJob.Kind(job.kind)](job, clock, TrainingProgress(job, progress))
        except NothingToLearnFrom as error:
            return _end(job, clock(), error=str(error))
        except Exception as error:
            TrainingJob.objects.filter(pk=job.pk).update(error=f"{type(error).__name__}: {error}"[:ERROR_LETTERS])
            raise


def _fit(job: TrainingJob, clock: Clock, at: Told) -> TrainingJob:
    method, prior = job.asked["method"], job.asked.get("prior")
    fit, refusal = train_model(
        channel=job.channel,
        now=clock(),
        method=method,
        config=None if prior is None else _with_prior(method, prior),
        author=job.created_by,
        at=at,
    )
    return _end(
        job,
        clock(),
        fit=fit,
        result={"live": refusal is None, "words": str(refusal or fit.verdict.get("words", LIVE_BEFORE))},
    )


def _with_prior(method: str, prior: dict[str, Any]) -> Config:
    usual = default_config(method, settings.PRICING_DEVICE)
    assert isinstance(usual, HierarchyConfig)
    belief = replace(usual.effects["log_price"], mean=prior["mean"], sd=prior["sd"])
    return replace(usual, effects=usual.effects | {"log_price": belief})


def _causal(job: TrainingJob, clock: Clock, at: Told) -> TrainingJob:
    at(LEARNING)
    try:
        # Imported here: fits need no extra.
        from optimizer.services.estimate_causal import CannotEstimate, estimate_causal
    except ImportError as error:
        return _end(job, clock(), error=f"it needs linearmodels and econml: install the extra `causal` ({error})")
    try:
        report = estimate_causal(
            channel=job.channel, instruments=_instruments(job), other_channels=job.asked["other_channels"]
        )
    except CannotEstimate as error:
        return _end(job, clock(), error=str(error))
    return _end(job, clock(), result=_as_json(asdict(report)))


def _instruments(job: TrainingJob) -> SkuWeeks | None:
    found = job.asked.get("instruments")
    if found is None:
        return None
    values = {(sku, date.fromisoformat(week)): numbers for sku, week, *numbers in found["rows"]}
    return SkuWeeks(tuple(found["names"]), values)


def _cross(job: TrainingJob, clock: Clock, at: Told) -> TrainingJob:
    at(LEARNING)
    found = learn_cross_prices(channel=job.channel)
    with transaction.atomic():
        store_pairs(job=job, pairs=found.pairs)
        return _end(job, clock(), result=found.report())


def _policy(job: TrainingJob, clock: Clock, at: Told) -> TrainingJob:
    at(LEARNING)
    policy = HorizonPolicy.objects.filter(job=job).first()
    if policy is None and job.asked.get("offline"):
        policy = learn_policy_offline(job=job, now=clock())
    elif policy is None:
        policy = learn_policy(job=job, now=clock(), progress=lambda words: at(f"{LEARNING}: {words}"))
    at(JUDGING)
    policy.scores = policy_scores(policy=policy, problems=JUDGED_ON, seed=job.asked["seed"])
    with transaction.atomic():
        policy.save(update_fields=["scores"])
        return _end(job, clock(), result={"policy": policy.pk, "policy_words": policy_words(policy)})


def _forecast(job: TrainingJob, clock: Clock, at: Told) -> TrainingJob:
    at(LEARNING)
    found = forecast_panel(channel=job.channel, step=job.asked["step"])
    forecaster = learn_forecaster(
        job=job,
        now=clock(),
        found=found,
        progress=lambda work, share: at(f"{LEARNING}: {method_words(work)}", share),
    )
    at(JUDGING)
    forecaster = judge_forecaster(forecaster_id=forecaster.pk, now=clock(), found=found)
    at(PROMOTING)
    refusal = None
    try:
        promote_forecaster(forecaster_id=forecaster.pk, author=job.created_by, now=clock())
    except ForecasterStaysOut as error:
        refusal = str(error)
    at(FORECASTING)  # reads anew: prices may have changed while it learned
    stored = 0
    with contextlib.suppress(NoForecaster):
        stored = forecast_demand(
            channel=job.channel,
            step=forecaster.step,
            now=clock(),
            progress=lambda done, of: at(f"{FORECASTING}: stored", done / of),
        )
    words = refusal or forecaster.verdict["words"]
    return _end(job, clock(), result={"live": refusal is None, "words": words, "forecasts": stored})


def _as_json(value: Any) -> Any:
    """Return a value with what is not finite, such as ends of intervals, as None: JSON has no infinity."""
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


DO: Final = {
    TrainingJob.Kind.FIT: _fit,
    TrainingJob.Kind.CAUSAL: _causal,
    TrainingJob.Kind.CROSS: _cross,
    TrainingJob.Kind.POLICY: _policy,
    TrainingJob.Kind.FORECAST: _forecast,
}


def _end(job: TrainingJob, now: datetime, *, error: str = "", fit: Any = None, result: Any = None) -> TrainingJob:
    job.status = TrainingJob.Status.FAILED if error else TrainingJob.Status.DONE
    job.step, job.steps_done = "", job.steps_done if error else job.steps
    job.error, job.fit, job.result, job.finished_at = error, fit, result or {}, now
    if "instruments" in job.asked:  # what may be a million numbers is not needed any more
        job.asked["instruments"]["rows"] = []
    job.save(update_fields=["status", "step", "steps_done", "error", "fit", "result", "finished_at", "asked"])
    return job


@contextlib.contextmanager
def _alone(channel_id: int) -> Iterator[bool]:
    """Hold the channel for as long as this database session lives; say whether nobody else does."""
    number = channel_id & 0x7FFFFFFF
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, number])
        mine = cursor.fetchone() == (True,)
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, number])
