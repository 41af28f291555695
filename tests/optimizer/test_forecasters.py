"""Forecasters: learned by a job, live only where they are good, and what they forecast of every listing."""

import io
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from catalog.models import DailySales, Listing, PriceOverride, WeekConditions
from optimizer import forecaster_gate
from optimizer.engine.threads import one_thread
from optimizer.models import DemandForecast, DemandForecaster, TrainingJob
from optimizer.models.training import STEPS
from optimizer.selectors.forecasts import last_asked, live_forecaster
from optimizer.services import train_forecaster as training
from optimizer.services import training_progress
from optimizer.services.forecast_demand import NoForecaster, forecast_demand
from optimizer.services.forecast_panel import forecast_panel
from optimizer.services.open_training import CannotTrain, open_forecaster
from optimizer.services.promote_forecaster import ForecasterStaysOut, promote_forecaster
from optimizer.services.run_training import run_training
from optimizer.services.training_progress import TrainingProgress, nobody
from optimizer.tasks import run_training as run_training_task
from optimizer.tasks import train_models
from optimizer.training_command import ProgressBars
from tests.factories import make_api_client, make_channel, make_listing
from tests.optimizer.forecasters import MONDAY, a_daily_shop, make_forecaster
from tests.optimizer.test_run_metrics import told

pytestmark = pytest.mark.django_db


@pytest.fixture
def small(monkeypatch):
    """Make networks small: they learn in a second or two."""
    usual = training.ForecasterConfig

    def config(**fields):
        return usual(**({"hidden": 16, "layers": 1, "max_steps": 40, "batch": 32, "boosting": False} | fields))

    monkeypatch.setattr(training, "ForecasterConfig", config)
    monkeypatch.setattr(training, "weekly_config", lambda **fields: config(history=13, patch=1, horizon=4, **fields))
    with one_thread():
        yield


def done(**asked) -> TrainingJob:
    job = open_forecaster(channel=make_channel(), now=timezone.now(), **asked)
    run_training(job_id=job.pk, clock=timezone.now)
    return TrainingJob.objects.get()


def stored() -> list[tuple]:
    return list(DemandForecast.objects.order_by("listing_id").values_list("listing_id", "method", "quantiles"))


def test_a_job_learns_judges_promotes_and_forecasts_every_listing(small):
    channel = a_daily_shop()
    never_sold = make_listing("NEW")
    job = done(seed=3)
    forecaster = job.forecaster
    assert (job.status, job.steps_done, job.result["live"]) == ("done", 4, True), (job.error, job.result)
    assert job.result["forecasts"] == DemandForecast.objects.count() == 41
    assert forecaster == live_forecaster(channel=channel, step="day") and forecaster.seed == 3
    assert forecaster.data_to == MONDAY + timedelta(days=26 * 7 - 3) and "seasonal naive" in forecaster.verdict["words"]
    assert (forecaster.data_to - forecaster.held_out_from).days == 27
    assert set(forecaster.scores["serves"]) == {"smooth", "erratic", "intermittent", "lumpy", "cold start"}
    held = forecaster.scores["held_out"]
    assert held["days"][-1] == forecaster.data_to.isoformat() and len(held["days"]) == 3 * 28
    assert held["days"][-28] == forecaster.held_out_from.isoformat()
    total = held["series"][0]
    ahead = DailySales.objects.filter(day__gte=forecaster.held_out_from).aggregate(sold=Sum("units"))["sold"]
    assert sum(total["sold"][-28:]) == ahead and 0.8 < sum(total["middle"]) / ahead < 1.2
    assert {each["sku"][:1] for each in held["series"][1:]} == {"S"}
    forecast = DemandForecast.objects.get(listing=never_sold)
    assert forecast.cold_start and not DemandForecast.objects.exclude(listing=never_sold).filter(cold_start=True)
    assert forecast.from_day == forecaster.data_to + timedelta(days=1)
    for each in DemandForecast.objects.all():
        quantiles = np.array(each.quantiles)
        assert quantiles.shape == (28, len(forecaster.levels)) and (np.diff(quantiles, axis=1) >= 0).all()
        assert np.array(each.interval80).shape == (28, 2) and len(each.prices) == len(each.expected) == 28
        assert (np.array(each.expected) >= quantiles[:, 0]).all()


def test_forecasts_are_replaced_not_heaped_up_and_the_older_one_never_wins(small):
    channel = a_daily_shop(skus=12)
    make_live()
    now = timezone.now()
    assert forecast_demand(channel=channel, step="day", now=now) == 12
    first = stored()
    forecast_demand(channel=channel, step="day", now=now + timedelta(hours=1))
    forecast_demand(channel=channel, step="day", now=now)
    assert stored() == first and set(DemandForecast.objects.values_list("made_at", flat=True)) == {
        now + timedelta(hours=1)
    }
    product = Listing.objects.order_by("pk")[0].product
    product.is_active = False
    product.save()
    assert forecast_demand(channel=channel, step="day", now=now + timedelta(hours=2)) == 11
    assert DemandForecast.objects.count() == 11


def make_live() -> DemandForecaster:
    job = done(network="lstm")
    DemandForecaster.objects.update(status="live", promoted_at=timezone.now())
    return job.forecaster


def test_forecasts_by_week_are_made_by_a_command_and_written_to_a_file(small, tmp_path, capsys):
    channel = a_daily_shop(skus=12)
    call_command("train_forecaster", step="week", seed=1)
    DemandForecaster.objects.update(status="live", promoted_at=timezone.now())
    call_command("forecast_demand", step="week", sku="S003", output=tmp_path / "found.parquet")
    said = capsys.readouterr().out
    assert "12 forecasts by week stored" in said and "4 rows written" in said and "in 8 of 10 cases" in said
    found = pl.read_parquet(tmp_path / "found.parquet")
    assert found["sku"].to_list() == ["S003"] * 4 and found["day"][0] == MONDAY + timedelta(weeks=26)
    assert found["q0.1"].le(found["q0.9"]).all() and channel.code == "web"
    call_command("forecast_demand", step="week", output=tmp_path / "all.csv")
    assert pl.read_csv(tmp_path / "all.csv").height == 48


def test_a_forecaster_that_is_worse_stays_a_candidate_and_says_why(small, monkeypatch):
    a_daily_shop(skus=12)
    monkeypatch.setattr(forecaster_gate, "LEAST_COVERAGE", 0.999)
    job = done()
    assert job.status == "done" and not job.result["live"] and "must" in job.result["words"]
    assert job.forecaster.status == "candidate" and job.result["forecasts"] == 0
    with pytest.raises(ForecasterStaysOut, match="stays out: its loss"):
        promote_forecaster(forecaster_id=job.forecaster.pk, now=timezone.now())
    with pytest.raises(NoForecaster) as error:
        forecast_demand(channel=job.channel, step="day", now=timezone.now())
    said = str(error.value)
    assert f"the gate refused {job.forecaster}: its loss of" in said and "that of seasonal naive" in said
    assert "manage.py train_forecaster --channel web --step day` with more --minutes" in said
    assert f"manage.py promote_forecaster {job.forecaster.pk} --overrule" in said


def test_a_candidate_is_judged_again_against_the_one_that_is_live_now(small, capsys):
    a_daily_shop(skus=12)
    first = done().forecaster
    DemandForecaster.objects.update(status="candidate", promoted_at=None)
    call_command("evaluate_forecaster", str(first.pk))
    said = " ".join(capsys.readouterr().out.split())
    first.refresh_from_db()
    assert first.verdict["words"] in said and "The gate: its loss is at most 2 % above" in said
    assert first.verdict["against"] is None and first.scores["rows"]
    DemandForecaster.objects.update(status="live", promoted_at=timezone.now())
    second = DemandForecaster.objects.get(job=done_anew(seed=1))
    assert second.verdict["against"] == first.pk and f"that of {first}, which was live" in second.verdict["words"]
    call_command("evaluate_forecaster", str(first.pk))
    assert f"{first} is live" in capsys.readouterr().out


def done_anew(**asked) -> TrainingJob:
    job = open_forecaster(channel=make_channel(), now=timezone.now(), **asked)
    return run_training(job_id=job.pk, clock=timezone.now)


def test_one_whose_held_out_steps_are_gone_is_told_to_be_learned_anew(small):
    a_daily_shop(skus=12)
    made = done().forecaster
    DemandForecaster.objects.update(status="candidate", promoted_at=None)
    DailySales.objects.filter(day__gte=made.held_out_from).delete()
    with pytest.raises(CommandError, match=r"do not hold the steps.*manage\.py train_forecaster") as error:
        call_command("evaluate_forecaster", str(made.pk))
    assert error.value.returncode == 2
    with pytest.raises(CommandError, match="no forecaster-999"):
        call_command("evaluate_forecaster", "999")


def test_the_panel_knows_prices_conditions_and_closed_days():
    channel = a_daily_shop(skus=3)
    cheap, promoted, _ = Listing.objects.order_by("pk")
    DailySales.objects.filter(listing=cheap, day=MONDAY).delete()
    DailySales.objects.create(listing=cheap, day=MONDAY, units=4, revenue=Decimal("20"))
    WeekConditions.objects.create(listing=cheap, week=MONDAY, promotion=0.5, stocked_out=True)
    start = MONDAY + timedelta(days=26 * 7 - 2)
    begins = datetime(start.year, start.month, start.day, 12, tzinfo=ZoneInfo("UTC"))
    PriceOverride.objects.create(
        listing=promoted,
        kind="promotion",
        price=Decimal("7.50"),
        period=(begins, begins + timedelta(days=2)),
        time_zone="UTC",
        reason="fair",
        created_at=timezone.now(),
    )
    found = forecast_panel(channel=channel, step="day")
    panel = found.panel
    assert (found.first, found.start, panel.horizon) == (MONDAY, start, 28)
    assert panel.units.sum() == sum(DailySales.objects.values_list("units", flat=True))
    assert panel.price[0, 0] == 5.0 and panel.price[0, -1] == 10.0 and panel.sold_out[0, :8].sum() == 7
    assert panel.promotion[0, :8].tolist() == [0.5] * 7 + [0.0]
    assert panel.price[1, panel.time : panel.time + 4].tolist() == [7.5, 7.5, 7.5, 10.0]
    assert panel.promotion[1, panel.time : panel.time + 4].tolist() == [1.0, 1.0, 1.0, 0.0]
    closed = panel.calendar[:, 8]
    assert closed[panel.time : panel.time + 7].tolist() == [1, 1, 0, 0, 0, 0, 0], "it sells from Monday to Friday"
    weeks = forecast_panel(channel=channel, step="week").panel
    assert weeks.step_days == 7 and weeks.units.sum() >= panel.units.sum() - 4 and weeks.horizon == 4


@pytest.mark.parametrize(
    ("asked", "field", "cure"),
    [
        ({"step": "month"}, "step", "choose day or week"),
        ({"network": "magic"}, "network", "choose transformer or lstm"),
        ({"minutes": 0.0}, "minutes", "more than 0"),
        ({"seed": -1}, "seed", "from 0 to"),
        ({}, "channel", "manage.py import_sales"),
    ],
)
def test_what_cannot_be_learned_is_refused_by_field(asked, field, cure):
    with pytest.raises(CannotTrain, match=cure) as error:
        open_forecaster(channel=make_channel(), now=timezone.now(), **asked)
    assert error.value.field == field


def test_sales_of_weeks_only_are_told_how_to_get_days():
    a_daily_shop(skus=2)
    DailySales.objects.all().delete()
    with pytest.raises(CommandError, match="import_sales` again with its files") as error:
        call_command("train_forecaster")
    assert error.value.returncode == 2


def test_too_little_history_fails_the_job_in_one_line(small):
    a_daily_shop(skus=2, weeks=5)
    job = done()
    assert job.status == "failed" and "too little history by day" in job.error and "\n" not in job.error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "x.txt"}, "ends in .csv or .parquet"),
        ({"channel": "nowhere"}, "no channel 'nowhere'"),
        ({}, "has no live forecaster by day: run"),
    ],
)
def test_the_command_refuses_in_one_line(options, words):
    make_channel()
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with pytest.raises(CommandError, match=words) as error:
        call_command("forecast_demand", *arguments)
    assert error.value.returncode == 2 and "\n" not in str(error.value)


def test_the_night_learns_only_what_was_asked_for_once(monkeypatch):
    channel = a_daily_shop(skus=2)
    sent = []
    monkeypatch.setattr("optimizer.tasks.run_training.delay", sent.append)
    train_models()
    assert [job.kind for job in TrainingJob.objects.all()] == ["fit"]
    TrainingJob.objects.all().delete()
    make_forecaster(channel)
    assert last_asked(channel=channel) == [{"step": "day", "network": "transformer", "minutes": 1.0, "seed": 0}]
    train_models()
    assert sorted(job.kind for job in TrainingJob.objects.filter(pk__in=sent[-2:])) == ["fit", "forecast"]


def test_prometheus_hears_how_long_a_forecast_took(small):
    channel = a_daily_shop(skus=4)
    make_live()
    forecast_demand(channel=channel, step="day", now=timezone.now())
    labels = (("device", "cpu"), ("model", "forecaster_lstm"))
    metrics = told(Client())
    assert metrics["model_inference_time_seconds_count", labels] == 1
    assert metrics["model_inference_time_seconds_sum", labels] > 0


def test_a_job_is_asked_for_through_the_api(small, monkeypatch, django_capture_on_commit_callbacks):
    a_daily_shop(skus=4)
    monkeypatch.setattr("optimizer.tasks.run_training.delay", run_training_task)
    client = make_api_client()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(
            "/api/v1/training-jobs", {"kind": "forecast", "step": "week", "seed": 5, "minutes": 1}, format="json"
        )
    assert answer.status_code == 202
    found = client.get(answer["Location"]).json()
    forecaster = DemandForecaster.objects.get()
    assert (found["status"], found["forecaster"], forecaster.step, forecaster.seed) == (
        "done",
        forecaster.pk,
        "week",
        5,
    )
    refused = client.post("/api/v1/training-jobs", {"kind": "fit", "step": "week"}, format="json")
    assert refused.status_code == 400 and "A job of kind fit has none" in str(refused.json())


def test_an_artefact_that_cannot_be_read_is_told_in_one_line():
    channel = a_daily_shop(skus=2)
    make_forecaster(channel, artefact=b"junk")
    with pytest.raises(NoForecaster, match="these bytes are no forecaster"):
        forecast_demand(channel=channel, step="day", now=timezone.now())


def test_how_far_learning_is_moves_in_the_jobs_row_and_as_bars(small, monkeypatch):
    channel = a_daily_shop(skus=6)
    job = open_forecaster(channel=channel, now=timezone.now())
    monkeypatch.setattr(training_progress, "WRITE_SECONDS", 0.0)
    seen, rows = [], []

    def told(words, share=None):
        seen.append((words, share))
        rows.append(TrainingJob.objects.values_list("step", "steps_done").get(pk=job.pk))

    run_training(job_id=job.pk, clock=timezone.now, progress=told)
    works = [(words, share) for words, share in seen if share is not None]
    assert ("learning: transformer", 1.0) in works and ("learning: calibration", 1.0) in works
    assert all(0 <= share <= 1 for _, share in works)
    assert ("learning: transformer, 100%", 0) in rows and TrainingJob.objects.get().step == ""
    assert [words for words, share in seen if share is None] == list(STEPS[TrainingJob.Kind.FORECAST])


def test_within_a_step_the_row_is_written_once_in_a_while():
    job = TrainingJob.objects.create(channel=make_channel(), kind="forecast", created_at=timezone.now())
    at = TrainingProgress(job, nobody)
    at("learning")
    with CaptureQueriesContext(connection) as queries:
        for share in np.linspace(0, 1, 50):
            at("learning: transformer", float(share))
    assert len(queries) == 0 and TrainingJob.objects.get().step == "learning"
    at("judging")
    assert TrainingJob.objects.values_list("step", "steps_done").get() == ("judging", 1)


def test_a_bar_is_shown_for_each_work():
    with Progress(console=Console(file=io.StringIO())) as bars:
        show = ProgressBars(bars, "learn")
        show("learning")
        show("learning: transformer", 0.4)
        show("learning: LightGBM", 0.0)
        show("judging")
        assert [(task.description, task.completed) for task in bars.tasks] == [
            ("judging", 0),
            ("learning: transformer", 1.0),
            ("learning: LightGBM", 0.0),
        ]
