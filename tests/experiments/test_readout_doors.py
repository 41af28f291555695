import json

import numpy as np
import pytest

from experiments.api.readout_serializers import ReadoutSerializer
from experiments.models import ReadoutEntry
from experiments.selectors.readout_figures import figures_of
from experiments.selectors.readouts import readout_for
from experiments.services.record_readout import record_readout
from tests.experiments.test_readouts import visitors
from tests.experiments.trials import after, make_trial, store_facts
from tests.factories import make_api_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def trial():
    trial = make_trial(code="cheaper", guardrails={"profit": "0.1"})
    store_facts(trial, visitors(np.random.default_rng(1), 1_000, uplift=1.5))
    return trial


def test_the_api_answers_what_the_selector_finds(trial):
    answer = make_api_client().get("/api/v1/experiments/cheaper/readout", {"at": after(6).isoformat()})
    assert answer.status_code == 200
    found = readout_for(experiment=trial, at=after(6))
    assert answer.data == figures_of(found)
    assert answer.data["sentence"] == found.sentence
    assert answer.json()["comparisons"][0]["metrics"][0]["effect"] == found.leading.primary.effect


def test_figures_are_what_the_document_promises_also_before_anything_is_known(trial):
    for moment in (after(0), after(1), after(6)):
        figures = figures_of(readout_for(experiment=trial, at=moment))
        json.dumps(figures, allow_nan=False)
        shown = ReadoutSerializer(figures).data
        assert set(shown) == set(figures)
        for each in figures["comparisons"]:
            assert set(shown["comparisons"][0]["metrics"][0]) == set(each["metrics"][0])


@pytest.mark.parametrize(
    ("path", "status"),
    [("nope/readout", 404), ("cheaper/readout?at=soon", 400), ("cheaper/readout?at=2999-01-01T00:00:00Z", 400)],
)
def test_what_cannot_be_read_is_named(trial, path, status):
    answer = make_api_client().get(f"/api/v1/experiments/{path}")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_a_day_is_kept_once_as_it_was_first_said(trial):
    first = record_readout(experiment=trial, now=after(3, hours=1))
    again = record_readout(experiment=trial, now=after(3, hours=9))
    assert first.sentence == again.sentence
    entry = ReadoutEntry.objects.get()
    assert (entry.day, entry.decision, entry.sentence) == (first.until, first.decision, first.sentence)
    store_facts(trial, [{"unit": "late", "arm": 0, "days": {0: {"exposures": 1, "revenue": 10_000}}}])
    record_readout(experiment=trial, now=after(3, hours=10))
    assert ReadoutEntry.objects.get().figures == entry.figures
    record_readout(experiment=trial, now=after(4, hours=1))
    assert ReadoutEntry.objects.count() == 2
