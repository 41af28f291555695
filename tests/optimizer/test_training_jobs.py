"""Training jobs: asked for through the API, done by a worker once though it is killed, and seen on their page."""

from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.admin.cells import admin_url
from catalog.models import WeeklySales
from optimizer.models import ElasticityFit, TrainingJob
from optimizer.selectors.causal_estimates import newest_belief
from optimizer.selectors.live_models import live_fit
from optimizer.services.open_training import open_fit
from optimizer.services.run_training import MOST_ATTEMPTS, run_training
from optimizer.tasks import resume_training
from optimizer.tasks import run_training as run_training_task
from tests.factories import make_api_client, make_channel
from tests.optimizer.test_model_registry import SKUS, a_shop
from tests.optimizer.test_run_metrics import told

pytestmark = pytest.mark.django_db

API = "/api/v1/training-jobs"


@pytest.fixture
def client() -> APIClient:
    return make_api_client()


@pytest.fixture
def post(client, monkeypatch, django_capture_on_commit_callbacks):
    """Return a function that posts a job and lets a worker do it."""
    monkeypatch.setattr("optimizer.tasks.run_training.delay", run_training_task)

    def post(body, **headers):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(API, body, format="json", headers=headers)

    return post


def costs(*, names=("cost",)):
    """Return an instrument that moved the prices of `a_shop`: the price itself, with noise."""
    rng = np.random.default_rng(3)
    rows = [
        [sku, str(week + timedelta(days=2)), *(np.log(float(price)) + rng.normal(0, 0.05) for _ in names)]
        for sku, week, price in WeeklySales.objects.values_list("listing__product__sku", "week", "price")
    ]
    return {"names": list(names), "rows": rows}


def test_a_fit_is_asked_for_once_done_by_a_worker_and_polled(client, post):
    a_shop()
    body = {"method": "hierarchical"}
    answers = [post(body, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202] and TrainingJob.objects.count() == 1
    opened = answers[0].json()
    assert (opened["status"], opened["steps_done"], opened["steps"], opened["channel"]) == ("waiting", 0, 3, "web")
    done = client.get(answers[0]["Location"]).json()
    live = live_fit(channel=make_channel())
    assert (done["status"], done["model"], done["steps_done"], done["attempts"]) == ("done", live.pk, 3, 1)
    assert live.method == "hierarchical" and done["result"] == {"live": True, "words": live.verdict["words"]}
    assert client.get(API).json()["results"] == [done]
    assert client.get(f"{API}/999").status_code == 404


def test_a_causal_estimate_becomes_what_a_hierarchical_fit_begins_with(client, post):
    a_shop()
    refused = post({"method": "hierarchical", "causal_prior": True})
    assert refused.status_code == 400 and "manage.py estimate_causal" in str(refused.json())
    location = post({"kind": "causal", "instruments": costs()})["Location"]
    found = client.get(location).json()["result"]
    by_instruments = found["estimates"][1]
    assert found["rows"] == SKUS * 26 and by_instruments["elasticity"] == pytest.approx(-2.2, abs=0.2)
    assert post({"method": "hierarchical", "causal_prior": True}).status_code == 202
    fit = ElasticityFit.objects.get()
    belief = fit.config["effects"]["log_price"]
    assert (belief["mean"], belief["sd"]) == (by_instruments["elasticity"], by_instruments["sd"])
    call_command("fit_elasticities")
    assert ElasticityFit.objects.get() == fit, "the next night begins with the same belief"
    call_command("fit_elasticities", method="hierarchical")
    assert ElasticityFit.objects.latest().config["effects"]["log_price"]["mean"] == -1.5, "asked for without one"
    causal = TrainingJob.objects.get(kind="causal")
    assert causal.asked["instruments"] == {"names": ["cost"], "count": SKUS * 30, "rows": []}
    result = causal.result
    for changed in ({"elasticity": 1.2}, {"warnings": ["weak"]}):
        causal.result = {**result, "estimates": [result["estimates"][0], by_instruments | changed]}
        causal.save()
        assert newest_belief(channel=make_channel()) is None


@pytest.mark.parametrize(
    ("body", "field", "cure"),
    [
        ({"channel": "nowhere"}, "channel", "no channel 'nowhere'"),
        ({"method": "magic"}, "method", "not a valid choice"),
        ({"causal_prior": True}, "method", "only the hierarchical method"),
        ({"methd": "hierarchical"}, "methd", "Unknown field"),
        ({"other_channels": True}, "other_channels", "A job of kind fit has none"),
        ({"kind": "causal", "method": "hierarchical"}, "method", "A job of kind causal has none"),
        (
            {"kind": "causal", "instruments": {"names": ["c"], "rows": [["S000", "soon", 1]]}},
            "rows",
            "Row 0 has 'soon'",
        ),
        ({"kind": "causal", "instruments": {"names": ["c"], "rows": [["S000", "2011-01-03"]]}}, "rows", "Row 0 is not"),
        ({"kind": "causal", "instruments": {"names": ["c"], "rows": [["S\0", "2011-01-03", 1]]}}, "rows", "has no SKU"),
        (
            {"kind": "causal", "instruments": {"names": ["c"], "rows": [["S", "2011-01-03", 10**401]]}},
            "rows",
            "Row 0 has a value that is no number",
        ),
        (
            {"kind": "causal", "instruments": {"names": ["c"], "rows": [["S000", "2011-01-03", "x"]]}},
            "rows",
            "Row 0 has a value that is no number",
        ),
        (
            {
                "kind": "causal",
                "instruments": {"names": ["c"], "rows": [["S", "2011-01-03", 1], ["S", "2011-01-04", 1]]},
            },
            "rows",
            "Row 1 gives SKU S and the week of 2011-01-03 again",
        ),
        ({"kind": "causal", "instruments": {"names": ["c", "c"], "rows": [[]]}}, "names", "Name each instrument once"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_field_and_nothing_is_opened(post, body, field, cure):
    a_shop(weeks=2)
    answer = post(body)
    assert answer.status_code == 400 and answer["Content-Type"] == "application/problem+json"
    assert field in str(answer.json()) and cure in str(answer.json())
    assert not TrainingJob.objects.exists()


def test_without_sales_nothing_is_opened():
    make_channel()
    with pytest.raises(CommandError, match="has no sales: run") as error:
        call_command("fit_elasticities")
    assert error.value.returncode == 2 and not TrainingJob.objects.exists()


def test_sales_that_are_gone_fail_the_job_with_the_cure():
    a_shop(weeks=2)
    job = open_fit(channel=make_channel(), now=timezone.now())
    WeeklySales.objects.all().delete()
    job = run_training(job_id=job.pk, clock=timezone.now)
    assert (job.status, job.steps_done) == ("failed", 0) and "import_sales" in job.error


def test_a_model_that_went_live_before_models_were_judged_stays_live():
    a_shop(weeks=10)
    call_command("fit_elasticities")
    ElasticityFit.objects.update(verdict={})
    job = run_training(job_id=open_fit(channel=make_channel(), now=timezone.now()).pk, clock=timezone.now)
    assert job.status == "done" and job.result["live"] and job.result["words"]


def test_a_job_that_was_begun_too_often_fails_and_says_so(monkeypatch):
    a_shop(weeks=2)
    job = open_fit(channel=make_channel(), now=timezone.now())

    def no_memory(**_):
        raise MemoryError

    monkeypatch.setattr("optimizer.services.run_training.train_model", no_memory)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(MemoryError):
            run_training(job_id=job.pk, clock=timezone.now)
    sent = []
    monkeypatch.setattr("optimizer.tasks.run_training.apply_async", lambda args, **_: sent.append(args))
    resume_training()
    assert sent == [(job.pk,)]
    job = run_training(job_id=job.pk, clock=timezone.now)
    assert job.status == "failed" and f"begun {MOST_ATTEMPTS} times in vain: MemoryError" in job.error
    resume_training()
    assert len(sent) == 1


def test_prometheus_hears_how_long_inference_took():
    a_shop()
    call_command("fit_elasticities", method="hierarchical")
    labels = (("device", "cpu"), ("model", "hierarchical"))
    metrics, fit = told(Client()), ElasticityFit.objects.get()
    assert metrics["model_inference_time_seconds_count", labels] == 1
    assert metrics["model_inference_time_seconds_sum", labels] == fit.seconds > 0


def test_the_page_says_what_was_asked_and_found(client, post):
    a_shop()
    post({"kind": "causal", "instruments": costs()})
    post({})
    window = Client()
    window.force_login(User.objects.create_superuser("boss"))
    listed = window.get(admin_url("optimizer_trainingjob_changelist")).content.decode()
    live = live_fit(channel=make_channel())
    assert f"{live} is live: the first model of its channel" in listed and "two-stage least squares: -2." in listed
    causal = TrainingJob.objects.get(kind="causal")
    page = window.get(admin_url("optimizer_trainingjob_change", causal.pk)).content.decode()
    assert f"cost: {SKUS * 30:,} rows" in page and "effective_f" in page and "(&#x27;done" not in page
