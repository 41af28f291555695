import pytest
from rest_framework.test import APIClient

from catalog.models import Category, KillSwitch
from tests.factories import make_api_key, make_channel

pytestmark = pytest.mark.django_db
URL = "/api/v1/kill-switches"


@pytest.fixture
def client():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key('kill-switch:write')}")
    return client


def test_flip_see_and_lift(client):
    make_channel()
    answer = client.post(URL, {"channel": "web", "reason": "wrong costs"})
    assert answer.status_code == 201 and answer.json()["scope"] == "channel:web"
    where = answer["Location"]
    assert client.get(where).json()["on"] is True
    assert client.post(URL, {"channel": "web", "reason": "again"}).status_code == 200
    assert [row["scope"] for row in client.get(URL, {"on": "true"}).json()["results"]] == ["channel:web"]
    lifted = client.delete(f"{where}?reason=checked").json()
    assert (lifted["on"], lifted["lift_reason"]) == (False, "checked")
    assert lifted["flipped_through"].startswith("API key test") and lifted["flipped_by"] is None
    assert client.delete(where).json() == lifted
    assert client.get(URL, {"on": "true"}).json()["results"] == []
    assert len(client.get(URL).json()["results"]) == 1


def test_a_retry_with_the_same_key_gets_the_first_answer(client):
    first, second = (client.post(URL, {"reason": "x"}, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert first.json() == second.json() and second.status_code == 201
    assert second["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/reason"),
        ({"reason": "x", "channel": "moon"}, "#/channel"),
        ({"reason": "x", "category": "moon"}, "#/category"),
        ({"reason": "x", "model": "a b"}, "#/model"),
        ({"reason": "x", "model": "bandit", "category": "mugs"}, "#/scope"),
    ],
)
def test_bad_input_names_the_field(client, body, pointer):
    Category.objects.create(code="mugs", name="Mugs")
    answer = client.post(URL, body)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not KillSwitch.objects.exists()


def test_what_is_not_there_and_who_may_not(client):
    assert client.get(f"{URL}/999").status_code == client.delete(f"{URL}/999").status_code == 404
    assert client.get(URL, {"on": "maybe"}).status_code == 400
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key('prices:read')}")
    assert client.post(URL, {"reason": "x"}).status_code == 403
