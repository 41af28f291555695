"""Versions of the demand model through the API: listed, judged by a worker, promoted or refused with the numbers."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import ApiKey
from catalog.models.access import Scope
from optimizer.engine import ElasticityConfig
from optimizer.selectors.live_models import live_fit
from optimizer.services.fit_elasticities import fit_channel
from optimizer.services.train_model import train_model
from optimizer.tasks import evaluate_model
from tests.factories import make_api_client, make_channel
from tests.optimizer.test_model_registry import BAD, a_shop

pytestmark = pytest.mark.django_db

API = "/api/v1/models"


@pytest.fixture
def client() -> APIClient:
    return make_api_client()


@pytest.fixture
def live():
    a_shop()
    return train_model(channel=make_channel(), now=timezone.now(), method="independent")[0]


def test_versions_are_listed_with_the_one_that_is_live(client, live):
    fit_channel(channel=make_channel(), now=timezone.now(), config=BAD)
    one, other = client.get(API, {"channel": "web"}).json()["results"]
    assert (one["name"], one["is_live"], one["method"]) == (str(live), True, "independent")
    assert one["verdict"]["words"] == "the first model of its channel" and one["promoted_at"] and not one["promoted_by"]
    assert {"calibration", "recovery", "backtest"} <= one["verdict"].keys()
    assert (other["is_live"], other["verdict"], other["promoted_at"]) == (False, {}, None)
    assert client.get(f"{API}/{live.pk}").json() == one
    assert client.get(f"{API}/999").status_code == 404
    wrong = client.get(API, {"channel": "nowhere"})
    assert wrong.status_code == 400 and "channel" in str(wrong.json())


def test_a_worse_version_is_judged_by_a_worker_and_refused_with_the_numbers(
    client, live, monkeypatch, django_capture_on_commit_callbacks
):
    worse = fit_channel(channel=make_channel(), now=timezone.now(), config=BAD)
    path = f"{API}/{worse.pk}"
    unjudged = client.post(f"{path}/promote")
    assert unjudged.status_code == 409 and "was not judged" in unjudged.json()["detail"]
    monkeypatch.setattr("optimizer.tasks.evaluate_model.delay", evaluate_model)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(f"{path}/evaluate").status_code == 202
    assert client.get(path).json()["verdict"]["comparison"]["high"] < 0
    refused = client.post(f"{path}/promote")
    assert refused.status_code == 409 and "held-out price changes, of 40 SKUs" in refused.json()["detail"]
    assert live_fit(channel=make_channel()) == live


def test_a_better_version_is_promoted_and_asked_again_it_stays(client, monkeypatch, django_capture_on_commit_callbacks):
    a_shop()
    train_model(channel=make_channel(), now=timezone.now(), method="independent")
    live = live_fit(channel=make_channel())
    type(live).objects.filter(pk=live.pk).update(config={**live.config, "elasticity_mean": 1.0, "elasticity_sd": 0.05})
    better = fit_channel(channel=make_channel(), now=timezone.now(), config=ElasticityConfig(noise_iterations=4))
    monkeypatch.setattr("optimizer.tasks.evaluate_model.delay", evaluate_model)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{API}/{better.pk}/evaluate")
    for _ in range(2):
        promoted = client.post(f"{API}/{better.pk}/promote")
        assert promoted.status_code == 200 and promoted.json()["is_live"]
    assert client.get(f"{API}/{live.pk}").json()["is_live"] is False


def test_a_key_that_may_only_read_prices_may_not_promote(live):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {ApiKey.issue(name='r', scopes=[Scope.PRICES_READ.value])[1]}")
    assert client.post(f"{API}/{live.pk}/promote").status_code == 403
