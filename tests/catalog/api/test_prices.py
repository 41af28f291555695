from base64 import b64encode

import pytest
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from catalog.models import ApiKey, Listing
from catalog.models.access import Scope
from tests.factories import make_api_client, make_api_key, make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return make_api_client()


def test_a_price_is_served_with_its_reason_and_version(client):
    listing = make_listing(sku="85123A")
    publish(listing, "10.50", binding_rule="max_change")
    response = client.get("/api/v1/prices/85123A")
    assert response.status_code == 200
    assert response["ETag"] == '"1"'
    body = response.json()
    assert body.pop("valid_until") and body.pop("decision_id")
    assert body == {
        "sku": "85123A",
        "channel": "web",
        "price": "10.50",
        "currency": "GBP",
        "list_price": "10.00",
        "version": 1,
        "source": "optimizer",
        "binding_rule": "max_change",
        "prior_price": "10.00",
        "prior_price_window": None,
        "reduction_may_be_announced": None,
        "reduction_percent": None,
        "personalised": False,
        "disclosure": None,
        "assumed": [],
        "experiment": None,
        "arm": None,
    }


def test_an_unchanged_price_answers_304(client):
    publish(make_listing(sku="85123A"), "10.50")
    response = client.get("/api/v1/prices/85123A", headers={"If-None-Match": '"1"'})
    assert response.status_code == 304 and not response.content
    assert client.get("/api/v1/prices/85123A", headers={"If-None-Match": '"0"'}).status_code == 200


def test_an_unknown_sku_is_a_problem_with_a_way_out(client):
    response = client.get("/api/v1/prices/NOPE")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == "urn:pricing:problem:not-found" and body["status"] == 404
    assert "NOPE" in body["detail"] and "/api/v1/products" in body["detail"]


def test_channels_have_prices_of_their_own(client):
    make_listing(sku="85123A")
    japan = make_channel("jp", currency="JPY", country="JP", currency_exponent=0)
    listing = make_listing(sku="20725", channel=japan, list_price=1500, unit_cost=700)
    publish(listing, "1600")
    assert client.get("/api/v1/prices/20725?channel=jp").json()["price"] == "1600"
    assert client.get("/api/v1/prices/20725").status_code == 404


def test_a_batch_keeps_the_order_and_names_unknown_skus(client):
    make_listing(sku="10001")
    make_listing(sku="10002")
    response = client.post("/api/v1/prices:batch", {"skus": ["10002", "NOPE", "10001", "10002"]})
    assert response.status_code == 200
    assert [price["sku"] for price in response.json()["prices"]] == ["10002", "10001"]
    assert response.json()["unknown_skus"] == ["NOPE"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/skus"),
        ({"skus": []}, "#/skus"),
        ({"skus": "85123A"}, "#/skus"),
        ({"skus": ["x" * 65]}, "#/skus/0"),
        ({"skus": ["a"] * 1001}, "#/skus"),
    ],
)
def test_an_invalid_batch_names_the_field(client, body, pointer):
    response = client.post("/api/v1/prices:batch", body)
    assert response.status_code == 400
    assert response.json()["type"] == "urn:pricing:problem:validation-error"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_text_that_is_not_json_is_a_problem(client):
    response = client.post("/api/v1/prices:batch", b"{", content_type="application/json")
    assert response.status_code == 400
    assert response.json()["type"] == "urn:pricing:problem:malformed-request"


def test_the_history_is_complete_over_its_pages_newest_first(client):
    listing = make_listing(sku="85123A")
    for price in ("10.10", "10.20", "10.30"):
        publish(listing, price)
    first = client.get("/api/v1/prices/85123A/history?page_size=2").json()
    second = client.get(first["next"]).json()
    assert [row["price"] for row in first["results"] + second["results"]] == ["10.30", "10.20", "10.10"]
    assert second["next"] is None
    assert first["results"][0]["previous_price"] == "10.20"


def test_products_come_in_pages_without_a_query_per_row(client, django_assert_max_num_queries):
    skus = {make_listing().product.sku for _ in range(7)}
    with django_assert_max_num_queries(4):
        first = client.get("/api/v1/products?page_size=5").json()
    second = client.get(first["next"]).json()
    assert {row["sku"] for row in first["results"] + second["results"]} == skus
    assert first["results"][0]["price"] == "10.00"


def test_no_key_a_revoked_key_and_a_key_without_the_scope_are_told_apart():
    from django.utils import timezone

    make_listing(sku="85123A")
    client = APIClient()
    response = client.get("/api/v1/prices/85123A")
    assert response.status_code == 401 and response["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["type"] == "urn:pricing:problem:authentication-required"

    key, text = ApiKey.issue(name="old", scopes=[Scope.PRICES_READ])
    key.revoke(timezone.now())
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    assert client.get("/api/v1/prices/85123A").status_code == 401

    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.RUNS_WRITE)}")
    response = client.get("/api/v1/prices/85123A")
    assert response.status_code == 403 and "prices:read" in response.json()["detail"]


def test_only_the_digest_of_a_key_is_stored():
    _, text = ApiKey.issue(name="shop", scopes=[Scope.PRICES_READ])
    stored = ApiKey.objects.values().get()
    assert text not in str(stored) and stored["digest"] == ApiKey.digest_of(text)


def test_too_many_requests_are_told_when_to_come_back(client, settings, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE = 2
    monkeypatch.setattr("catalog.api.throttling.time.time", lambda: 1_000_000.0)
    make_listing(sku="85123A")
    codes = [client.get("/api/v1/prices/85123A").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    response = client.get("/api/v1/prices/85123A")
    assert int(response["Retry-After"]) > 0 and response.json()["type"] == "urn:pricing:problem:too-many-requests"


@pytest.mark.parametrize("path", ["prices/%00", "prices/%00/history", "prices/%00/explanation", "prices/../x"])
def test_a_sku_that_cannot_exist_is_not_found(client, path):
    assert client.get(f"/api/v1/{path}").status_code == 404


@pytest.mark.parametrize("channel", ["%00", "no slug", "a'b"])
def test_a_channel_that_cannot_exist_is_named(client, channel):
    response = client.get(f"/api/v1/prices/85123A?channel={channel}")
    assert response.status_code == 400 and response.json()["errors"][0]["pointer"] == "#/channel"


def test_any_version_matches_a_star(client):
    publish(make_listing(sku="85123A"), "10.50")
    assert client.get("/api/v1/prices/85123A", headers={"If-None-Match": "*"}).status_code == 304


def test_an_unknown_path_below_the_api_is_a_problem_too(client):
    response = client.get("/api/v1/nothing-here")
    assert response.status_code == 404 and response["Content-Type"] == "application/problem+json"


def test_readiness_tells_what_is_away(client, settings):
    from catalog import price_cache

    assert client.get("/readyz").json()["status"] == "ready"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    price_cache.redis_connection.cache_clear()
    try:
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"status": "degraded", "database": True, "cache": False}
    finally:
        price_cache.redis_connection.cache_clear()


def test_without_the_database_it_says_so_and_goes_on_serving_from_the_cache(client):
    def gone(*call):
        raise OperationalError("the connection is closed")

    with connection.execute_wrapper(gone):
        response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "database": False, "cache": True}


@pytest.mark.parametrize("position", ["abc", "1.5", "NaN", "%00", "-1", "9" * 30])
@pytest.mark.parametrize("path", ["products", "prices/85123A/history"])
def test_a_forged_cursor_is_not_found(client, path, position):
    make_listing(sku="85123A")
    cursor = b64encode(f"p={position}".encode()).decode()
    assert client.get(f"/api/v1/{path}", {"cursor": cursor}).status_code == 404


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[" * 100_000, "application/json"),
        (b"{}", "application/json; charset=utf-99"),
        (b'{"skus": ["\\ud800"]}', "application/json"),
        (b'{"skus": [null]}', "application/json"),
        (b"[]", "application/json"),
        (b"skus=a", "application/x-www-form-urlencoded"),
    ],
)
@pytest.mark.parametrize("path", ["prices:batch", "optimization-runs"])
def test_odd_bodies_are_problems(client, path, body, content_type):
    make_channel()
    response = client.post(f"/api/v1/{path}", body, content_type=content_type)
    assert 400 <= response.status_code < 500
    assert response["Content-Type"] == "application/problem+json"


def test_a_weak_version_matches_as_proxies_weaken_it(client):
    publish(make_listing(sku="85123A"), "10.50")
    assert client.get("/api/v1/prices/85123A", headers={"If-None-Match": 'W/"1"'}).status_code == 304


def test_a_list_price_that_changed_has_another_version(client):
    listing = make_listing(sku="85123A")
    first = client.get("/api/v1/prices/85123A")["ETag"]
    Listing.objects.filter(pk=listing.pk).update(list_price=11)
    assert client.get("/api/v1/prices/85123A", headers={"If-None-Match": first}).status_code == 200


def test_the_document_of_the_api_is_json(client):
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200 and response.json()["openapi"].startswith("3.")
