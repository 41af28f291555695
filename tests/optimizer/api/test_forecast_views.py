import pytest
from rest_framework.test import APIClient

from tests.factories import make_api_client, make_api_key, make_channel, make_listing
from tests.optimizer.forecasters import LEVELS, make_forecast, make_forecaster

pytestmark = pytest.mark.django_db

API = "/api/v1/forecasts"


@pytest.fixture
def client() -> APIClient:
    return make_api_client()


def a_forecast(**fields):
    return make_forecast(make_listing("85123A"), make_forecaster(make_channel()), **fields)


def test_a_stored_forecast_is_read_by_day(client):
    forecast = a_forecast()
    answer = client.get(f"{API}/85123A")
    body = answer.json()
    assert answer.status_code == 200 and body["levels"] == LEVELS and len(body["steps"]) == 28
    assert (body["model"], body["method"], body["cold_start"]) == (str(forecast.forecaster), "transformer", False)
    assert (body["channel"], body["currency"], body["step"], body["elasticity"]) == ("web", "GBP", "day", -2.0)
    assert body["steps"][1] == {
        "day": "2026-07-07", "price": "10.0000", "quantiles": [2.0, 4.0, 9.0], "low80": 2.0, "high80": 9.0,
        "expected": 5.0,
    }  # fmt: skip


def test_another_price_moves_it_by_the_elasticity(client):
    a_forecast()
    step = client.get(f"{API}/85123A?price=20").json()["steps"][0]
    assert step["price"] == "20.0000" and (step["low80"], step["high80"]) == pytest.approx((0.5, 2.25))
    assert step["quantiles"] == pytest.approx([0.5, 1.0, 2.25])
    medians = [client.get(f"{API}/85123A?price={p}").json()["steps"][0]["quantiles"][1] for p in (0.01, 9.99, 10, 11)]
    assert medians == sorted(medians, reverse=True)


def test_the_etag_stands_until_there_is_another_forecast_or_price(client):
    forecast = a_forecast()
    etag = client.get(f"{API}/85123A")["ETag"]
    assert client.get(f"{API}/85123A", headers={"If-None-Match": etag}).status_code == 304
    assert client.get(f"{API}/85123A?price=9.50", headers={"If-None-Match": etag}).status_code == 200
    forecast.made_at = forecast.made_at.replace(year=forecast.made_at.year + 1)
    forecast.save()
    assert client.get(f"{API}/85123A", headers={"If-None-Match": etag}).status_code == 200


def test_without_one_the_cure_is_named(client):
    a_forecast()
    weekly = client.get(f"{API}/85123A?step=week")
    assert weekly.status_code == 404 and weekly["Content-Type"] == "application/problem+json"
    assert "manage.py train_forecaster --channel web --step week" in weekly.json()["detail"]
    assert "GET /api/v1/products" in client.get(f"{API}/NOPE").json()["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("step=month", "step"),
        *((f"price={price}", "price") for price in ("0", "-1", "x", "nan", "inf", "1e300", "1e-300", "")),
        ("channel=a%20b", "channel"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(client, query, field):
    a_forecast()
    answer = client.get(f"{API}/85123A?{query}")
    assert answer.status_code == 400 and field in str(answer.json()["errors"])


def test_it_needs_the_scope_of_prices():
    a_forecast()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key('runs:write')}")
    assert client.get(f"{API}/85123A").status_code == 403
