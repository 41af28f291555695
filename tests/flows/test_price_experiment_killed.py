"""A process that starts, stops or promotes an experiment is killed -9 around its commit: the whole step, or nothing."""

import subprocess
import sys

import pytest
from django.utils import timezone

from catalog.gateway import served_prices
from catalog.models import Listing, PriceChange, ServedExperiment
from experiments.models import ExperimentUnit, PriceExperiment
from experiments.services.decide_experiment import promote_arm
from experiments.services.start_experiment import start_experiment, submit_experiment
from experiments.services.stop_experiment import stop_experiment
from tests.experiments.shop import make_draft, make_shop

pytestmark = pytest.mark.django_db(transaction=True)

STEP = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
import django
django.setup()
from django.db import transaction
from tests.flows.test_price_experiment_killed import take

def die():
    os.kill(os.getpid(), signal.SIGKILL)

with transaction.atomic():
    if sys.argv[2] == "after":
        transaction.on_commit(die)
    take(sys.argv[1])
    if sys.argv[2] == "before":
        die()
"""
UNITS = 8


def take(step):
    pk, now = PriceExperiment.objects.get().pk, timezone.now()
    if step == "start":
        return start_experiment(experiment=pk, by="bob", now=now)
    if step == "stop":
        return stop_experiment(experiment=pk, by="bob", reason="Enough", now=now)
    return promote_arm(experiment=pk, arm="dearer", by="bob", now=now)


def state():
    """What there is of the experiment: its status, units, listings served through it, prices published."""
    row = PriceExperiment.objects.get()
    running = ServedExperiment.objects.filter(ended_at=None).count()
    return row.status, ExperimentUnit.objects.count(), running, PriceChange.objects.count()


def served():
    skus = list(Listing.objects.values_list("product__sku", flat=True))
    return sorted(str(answer["price"]) for answer in served_prices(channel="web", skus=skus).values())


BEFORE = {
    "start": ("review", 0, 0, 0),
    "stop": ("running", UNITS, UNITS, 0),
    "promote": ("stopped", UNITS, 0, 0),
}
AFTER = {
    "start": ("running", UNITS, UNITS, 0),
    "stop": ("stopped", UNITS, 0, 0),
    "promote": ("decided", UNITS, 0, UNITS),
}
SERVED_AFTER = {
    "start": ["10.00"] * (UNITS // 2) + ["10.50"] * (UNITS // 2),
    "stop": ["10.00"] * UNITS,
    "promote": ["10.50"] * UNITS,
}


@pytest.mark.parametrize("step", ["start", "stop", "promote"])
@pytest.mark.parametrize("killed", ["before", "after"])
def test_a_step_is_killed(environment, step, killed):
    make_shop(categories=2, products=UNITS // 2)
    submit_experiment(experiment=make_draft().pk, by="ann", now=timezone.now())
    for earlier in {"start": [], "stop": ["start"], "promote": ["start", "stop"]}[step]:
        take(earlier)
    done = subprocess.run([sys.executable, "-c", STEP, step, killed], env=environment, check=False, timeout=60)
    assert done.returncode == -9
    assert state() == (BEFORE if killed == "before" else AFTER)[step]
    if killed == "before":
        take(step)
    assert state() == AFTER[step]
    assert served() == SERVED_AFTER[step]
    if step == "promote":
        take(step)
        assert state() == AFTER[step]
