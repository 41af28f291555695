"""The fifth walk: an experiment that was planned and started is read from what was sold, late sales included."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import DailySales, ServedExperiment
from experiments import tasks
from experiments.models import ExperimentUnit, PriceExperiment, ReadoutEntry, UnitDay
from experiments.services import start_experiment as starting
from tests.experiments.shop import make_draft, make_shop
from tests.factories import make_api_client

pytestmark = pytest.mark.django_db
NOW = timezone.now()
STARTED = NOW - timedelta(days=15)


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.setattr("experiments.tasks.watch_one_experiment.delay", tasks.watch_one_experiment)
    make_shop()
    DailySales.objects.filter(day__gte=STARTED.date()).delete()
    draft = make_draft(guardrails=[{"metric": "revenue", "tolerated_loss": Decimal("0.1")}])
    starting.submit_experiment(experiment=draft.pk, by="ann", now=STARTED)
    return starting.start_experiment(experiment=draft.pk, by="bob", now=STARTED)


def sell(trial, days, factor):
    """Sell on each of so many days since the start; the treated arm sells ``factor`` times as much."""
    rng = np.random.default_rng(0)
    for unit in ExperimentUnit.objects.filter(experiment=trial).select_related("arm"):
        for day in days:
            units = int(rng.poisson(30 * (factor if unit.arm.position else 1))) + 1
            DailySales.objects.update_or_create(
                listing_id=unit.listing_id, day=(STARTED + timedelta(days=day)).date(),
                defaults={"units": units, "revenue": units * unit.base_price},
            )  # fmt: skip


def read(trial):
    return make_api_client().get(f"/api/v1/experiments/{trial.code}/readout").data


def test_it_is_read_from_daily_sales_every_hour_and_late_sales_change_what_is_said(trial):
    assert read(trial)["sentence"].startswith("Too early to say")
    sell(trial, range(1, 10), 1.0)
    tasks.watch_experiments()
    early = read(trial)
    assert early["day"] == 10
    assert early["decision"] != "guardrail"
    assert sum(arm["units"] for arm in early["arms"]) == ExperimentUnit.objects.filter(experiment=trial).count()
    sell(trial, range(10, 14), 1.0)
    tasks.watch_experiments()
    late = read(trial)
    assert late["day"] == 14
    assert [entry.figures["day"] for entry in ReadoutEntry.objects.order_by("day")] == [10, 14]
    metric = late["comparisons"][0]["metrics"][0]
    assert metric["low"] <= 0 <= metric["high"]
    assert [point["day"] for point in metric["sequence"]] == list(range(2, 15))


def test_a_hurt_guardrail_stops_it_and_no_arm_is_served_any_more(trial):
    sell(trial, range(1, 14), 0.4)
    tasks.watch_experiments()
    trial.refresh_from_db()
    assert trial.status == PriceExperiment.Status.STOPPED
    assert "revenue" in trial.stop_reason
    assert not ServedExperiment.objects.filter(ended_at=None).exists()
    facts = UnitDay.objects.filter(experiment=trial).count()
    tasks.watch_experiments()
    assert UnitDay.objects.filter(experiment=trial).count() == facts
    assert "revenue is hurt" in read(trial)["sentence"]
