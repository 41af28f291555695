import json
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models.listing import PriceSource
from experiments.services.record_readout import record_readout
from tests.experiments.test_readouts import visitors
from tests.experiments.trials import make_trial, store_facts
from tests.factories import make_api_client, make_listing, publish

pytestmark = pytest.mark.django_db
DAYS = 8


@pytest.fixture
def trial():
    started_at = timezone.now() - timedelta(days=DAYS)
    trial = make_trial(code="cheaper", started_at=started_at, guardrails={"profit": "0.1"})
    store_facts(trial, visitors(np.random.default_rng(1), 1_500, uplift=1.5, days=DAYS))
    record_readout(experiment=trial, now=timezone.now())
    return trial


@pytest.fixture
def page(admin_client):
    return lambda trial, name="readout/": admin_client.get(f"/admin/experiments/priceexperiment/{trial.pk}/{name}")


def test_the_page_says_it_in_a_sentence_and_shows_chart_checks_and_tables(trial, page):
    answer = page(trial)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert 'id="readout-sentence"' in text and "The treatment is better: +" in text
    assert text.count("<svg viewBox") == 1
    for words in ("Arms against the control", "Guardrails", "Planned share", "What was said, day by day", "CUPED"):
        assert words in text
    assert "naive test" in text


def test_the_page_also_opens_before_anything_is_known(page):
    text = page(make_trial(started_at=timezone.now())).content.decode()
    assert "Too early to say" in text
    assert "<svg viewBox" not in text


def test_it_is_shown_to_those_who_may_see_experiments_only(trial, client):
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(f"/admin/experiments/priceexperiment/{trial.pk}/readout/").status_code == 403
    assert client.get(f"/admin/experiments/priceexperiment/{trial.pk}/readout.html").status_code == 403


@pytest.mark.parametrize("door", ["admin", "api", "command"])
def test_the_file_needs_nothing_else(trial, page, door, tmp_path):
    if door == "command":
        call_command("experiment_readout", "cheaper", html=tmp_path / "page.html")
        text = (tmp_path / "page.html").read_text()
    else:
        answer = (
            page(trial, "readout.html")
            if door == "admin"
            else make_api_client().get("/api/v1/experiments/cheaper/readout.html")
        )
        assert "attachment" in answer["Content-Disposition"]
        text = answer.content.decode()
    assert "The treatment is better" in text and "<svg viewBox" in text
    assert not any(words in text for words in ("http:", "https:", "<script", "src=", "<link"))


def test_metrics_tell_what_running_experiments_said_last(trial, client):
    text = client.get("/metrics").content.decode()
    assert 'experiment_facts_age_days{experiment="cheaper"} 1.0' in text
    assert 'experiment_crossovers{experiment="cheaper"} 0.0' in text
    assert 'experiment_srm_p_value{experiment="cheaper"} ' in text
    type(trial).objects.filter(pk=trial.pk).update(status="stopped", stopped_at=timezone.now())
    assert "cheaper" not in client.get("/metrics").content.decode()


def test_what_shops_write_cannot_become_markup(trial):
    evil = make_trial(name="<script>alert(1)</script>", started_at=timezone.now())
    text = make_api_client().get(f"/api/v1/experiments/{evil.code}/readout.html").content.decode()
    assert "<script>" not in text


def test_the_command_says_it_and_gives_all_figures_as_json(trial, capsys):
    call_command("experiment_readout", "cheaper")
    shown = capsys.readouterr().out
    assert shown.startswith("The treatment is better")
    assert "revenue" in shown and "Units" in shown
    call_command("experiment_readout", "cheaper", json=True)
    assert json.loads(capsys.readouterr().out)["decision"] == "benefit"


def test_units_without_a_cost_are_told(page, capsys):
    rows = [make_listing(), make_listing(unit_cost=None)]
    units = [{"listing": row, "arm": at} for at, row in enumerate(rows)]
    trial = make_trial("sku", code="dear", units=units, metric="profit", started_at=timezone.now() - timedelta(days=3))
    known = [{"unit": f"sku:{row.pk}", "arm": at, "days": {0: {"exposures": 1}}} for at, row in enumerate(rows)]
    store_facts(trial, known)
    assert "1 units hold a listing without a cost" in page(trial).content.decode()
    call_command("experiment_readout", "dear")
    assert "1 units hold a listing without a cost" in capsys.readouterr().out
    assert make_api_client().get("/api/v1/experiments/dear/readout").data["without_cost"] == 1


def test_days_on_which_an_arm_was_not_served_are_told(page, capsys):
    rows = [make_listing() for _ in range(4)]
    units = [{"listing": row, "arm": at % 2} for at, row in enumerate(rows)]
    trial = make_trial("sku", code="held", units=units, started_at=timezone.now() - timedelta(days=3))
    known = [{"unit": f"sku:{row.pk}", "arm": at % 2, "days": {0: {"exposures": 1}}} for at, row in enumerate(rows)]
    store_facts(trial, known)
    publish(rows[1], "10.50", source=PriceSource.OVERRIDE, now=trial.started_at)
    assert "1 days of a listing had a person&#x27;s price" in page(trial).content.decode()
    call_command("experiment_readout", "held")
    assert "days of a listing had a person's price" in " ".join(capsys.readouterr().out.split())
    assert make_api_client().get("/api/v1/experiments/held/readout").data["days_not_served"] == 1


def test_bad_input_ends_with_2_and_names_the_cure(trial, tmp_path):
    with pytest.raises(CommandError, match="No price experiment 'nope'") as unknown:
        call_command("experiment_readout", "nope")
    with pytest.raises(CommandError, match="give a file that can be written") as unwritable:
        call_command("experiment_readout", "cheaper", html=tmp_path)
    assert unknown.value.returncode == unwritable.value.returncode == 2
