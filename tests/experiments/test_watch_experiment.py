from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import DailySales, Listing, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from experiments import tasks
from experiments.models import PriceExperiment, ReadoutEntry, UnitDay
from experiments.selectors.winsor_caps import winsor_caps_before
from experiments.services import watch_experiment as module
from experiments.services.watch_experiment import watch_experiment
from tests.experiments.trials import STARTED, after, make_trial
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


def sell(listing, start, days, units):
    DailySales.objects.bulk_create(
        DailySales(listing=listing, day=start.date() + timedelta(days=day), units=units, revenue=Decimal(10) * units)
        for day in days
    )


@pytest.fixture
def hurt():
    """Forty SKUs that are served through their arms; those of the treatment sell far less."""
    rng = np.random.default_rng(0)
    listings = [make_listing() for _ in range(40)]
    units = [{"listing": row, "arm": at % 2} for at, row in enumerate(listings)]
    trial = make_trial("sku", metric="profit", guardrails={"revenue": "0.1"}, units=units, cuped_days=5)
    for at, row in enumerate(listings):
        for day in range(-5, 10):
            level = 20 if day < 0 or at % 2 == 0 else 8
            sell(row, STARTED, [day], int(rng.poisson(level)) + 1)
    arms = {
        row.pk: [Arm("control" if at % 2 == 0 else "b", 10_000, Decimal(10) if at % 2 == 0 else Decimal("9.50"))]
        for at, row in enumerate(listings)
    }
    serve_arms(
        channel=trial.channel, experiment=trial.code, salt=trial.salt, unit=ServedExperiment.Unit.SKU, arms=arms,
        now=STARTED,
    )  # fmt: skip
    return trial


def test_a_breached_guardrail_stops_the_experiment_and_the_prices_in_force_are_served_again(hurt):
    assert ServedExperiment.objects.filter(ended_at=None).count() == 40
    found = watch_experiment(experiment=hurt, now=after(10, hours=1))
    assert found.decision == "guardrail"
    hurt.refresh_from_db()
    assert hurt.status == "stopped"
    assert hurt.stopped_by == module.WATCH
    assert "revenue is surely hurt" in hurt.stop_reason
    assert not ServedExperiment.objects.filter(ended_at=None).exists()
    assert ReadoutEntry.objects.get().decision == "guardrail"


def test_it_stops_also_where_a_crash_came_between_the_entry_and_the_stop(hurt, monkeypatch):
    def crash(**rest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "stop_experiment", crash)
        with pytest.raises(KeyboardInterrupt):
            watch_experiment(experiment=hurt, now=after(10, hours=1))
    watch_experiment(experiment=hurt, now=after(10, hours=2))
    hurt.refresh_from_db()
    assert hurt.status == "stopped"


def test_without_harm_it_runs_on(hurt):
    DailySales.objects.filter(day__gte=STARTED.date()).update(units=20, revenue=200)
    watch_experiment(experiment=hurt, now=after(10, hours=1))
    hurt.refresh_from_db()
    assert hurt.status == "running"


def test_a_cost_that_rises_above_an_arm_stops_it_and_the_reason_names_the_arm(hurt):
    DailySales.objects.filter(day__gte=STARTED.date()).update(units=20, revenue=200)
    cheap = ServedExperiment.objects.filter(arms__arm="b").order_by("listing_id").first().listing
    Listing.objects.filter(pk=cheap.pk).update(unit_cost=Decimal("9.60"))
    watch_experiment(experiment=hurt, now=after(10, hours=1))
    hurt.refresh_from_db()
    assert (hurt.status, hurt.stopped_by) == ("stopped", module.COST_WATCH)
    assert hurt.stop_reason == f"Loss floor: arm b is below the unit cost of 1 listings ({cheap.product.sku})."
    assert not ServedExperiment.objects.filter(ended_at=None).exists()


def test_a_cost_that_rises_where_no_arm_is_served_or_below_every_arm_stops_nothing(hurt):
    DailySales.objects.filter(day__gte=STARTED.date()).update(units=20, revenue=200)
    cheap = ServedExperiment.objects.filter(arms__arm="b").order_by("listing_id").first().listing
    publish(cheap, "12.00", source=PriceSource.OVERRIDE)
    Listing.objects.filter(pk=cheap.pk).update(unit_cost=Decimal("9.60"))
    Listing.objects.exclude(pk=cheap.pk).update(unit_cost=Decimal("9.50"))
    watch_experiment(experiment=hurt, now=after(10, hours=1))
    hurt.refresh_from_db()
    assert hurt.status == "running"


def test_the_hourly_task_watches_what_runs_or_stopped_and_nothing_else(hurt, monkeypatch):
    monkeypatch.setattr("experiments.tasks.watch_one_experiment.delay", tasks.watch_one_experiment)
    draft = make_trial("sku", status="draft", started_at=None, plan=None)
    now = timezone.now()
    PriceExperiment.objects.filter(pk=hurt.pk).update(started_at=now - timedelta(days=8))
    for row in DailySales.objects.order_by("pk"):
        row.day = row.day + (now.date() - timedelta(days=9) - STARTED.date())
        row.save()
    tasks.watch_experiments()
    assert ReadoutEntry.objects.get().experiment == hurt
    assert not UnitDay.objects.filter(experiment=draft).exists()


def test_caps_are_the_quantile_of_the_days_before_with_days_of_zero():
    listings = [make_listing() for _ in range(2)]
    units = [{"listing": row, "arm": at} for at, row in enumerate(listings)]
    trial = make_trial("sku", units=units, cuped_days=10, winsor_quantile=Decimal("0.9"))
    for row in listings:
        sell(row, STARTED, range(-10, -5), 1)
    sell(listings[0], STARTED, [-1], 100)
    caps = winsor_caps_before(experiment=trial, now=STARTED)
    assert {name: Decimal(cap) for name, cap in caps.items()} == {"units": 1, "revenue": 10, "profit": 4}
    assert winsor_caps_before(experiment=make_trial("sku", units=units), now=STARTED) == {}
