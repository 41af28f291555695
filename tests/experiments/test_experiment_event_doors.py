import time
from datetime import timedelta

import pytest
from django.utils import timezone

from experiments.models import UnitDay
from tests.experiments.trials import make_trial
from tests.factories import make_api_client, make_api_key

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def trial():
    return make_trial(code="cheaper", started_at=NOW - timedelta(days=2))


def exposure(event_id, unit="ann", **fields):
    return {"event_id": event_id, "unit": unit, "arm": "control", "occurred_at": NOW.isoformat()} | fields


def outcome(event_id, unit="ann", **fields):
    facts = {"orders": 1, "units": 2, "revenue": "8.00", "profit": "2.00", "currency": "GBP"}
    return exposure(event_id, unit) | facts | fields


def post(name, rows, client=None, code="cheaper", **headers):
    return (client or make_api_client()).post(f"/api/v1/experiments/{code}/{name}", {name: rows}, "json", **headers)


def test_good_rows_count_and_bad_ones_are_named_with_their_pointers(trial):
    rows = [exposure("1"), exposure("2", arm="z"), exposure("3", occurred_at="yesterday"), exposure("1"), "no row"]
    answer = post("exposures", rows)
    assert answer.status_code == 200
    assert {name: answer.data[name] for name in ("counted", "duplicate", "washout", "refused")} == {
        "counted": 1, "duplicate": 1, "washout": 0, "refused": 3,
    }  # fmt: skip
    named = {(each["pointer"], each["reason"]) for each in answer.data["errors"]}
    assert named == {
        ("#/exposures/1", "unknown_arm"),
        ("#/exposures/2/occurred_at", "invalid"),
        ("#/exposures/4", "invalid"),
    }
    assert all(each["detail"] for each in answer.data["errors"])


def test_outcomes_are_counted_in_the_channels_currency_only(trial):
    post("exposures", [exposure("1")])
    answer = post("outcomes", [outcome("2"), outcome("3", currency="EUR"), outcome("4", units="many")])
    assert (answer.data["counted"], answer.data["refused"]) == (1, 2)
    assert [each["pointer"] for each in answer.data["errors"]] == ["#/outcomes/1/currency", "#/outcomes/2/units"]
    assert (UnitDay.objects.get().revenue, UnitDay.objects.get().profit) == (8, 2)


@pytest.mark.parametrize(
    ("amounts", "orders"),
    [
        ({"units": -1, "revenue": "-4.00"}, 1),
        ({"units": 0, "revenue": "-4.00"}, 1),
        ({"units": -2, "revenue": "-8.00", "orders": -1}, 0),
        ({"units": 1, "revenue": "4.00"}, 2),
    ],
)
def test_a_return_is_no_further_order_and_may_take_one_back(trial, amounts, orders):
    row = {name: value for name, value in outcome("3").items() if name != "orders"} | amounts
    post("exposures", [exposure("1")])
    assert post("outcomes", [outcome("2"), row]).data["counted"] == 2
    assert UnitDay.objects.get().orders == orders


def test_orders_that_are_taken_back_may_come_before_they_were_placed(trial):
    post("exposures", [exposure("1")])
    assert post("outcomes", [outcome("2", orders=-1, units=-2, revenue="-8.00")]).data["counted"] == 1
    assert post("outcomes", [outcome("3", orders=1)]).data["counted"] == 1
    assert UnitDay.objects.get().orders == 0


def test_profit_is_asked_for_where_it_is_measured():
    make_trial(code="by-profit", metric="profit", started_at=NOW - timedelta(days=2))
    row = {name: value for name, value in outcome("1").items() if name != "profit"}
    assert post("outcomes", [row], code="by-profit").data["errors"][0]["reason"] == "no_profit"


def test_a_retry_with_its_key_gets_the_first_answer_and_another_body_is_refused(trial):
    client = make_api_client()
    first = post("exposures", [exposure("1")], client, headers={"Idempotency-Key": "k"})
    again = post("exposures", [exposure("1")], client, headers={"Idempotency-Key": "k"})
    other = post("exposures", [exposure("2")], client, headers={"Idempotency-Key": "k"})
    assert first.data == again.data == {**first.data, "counted": 1}
    assert other.status_code == 422


@pytest.mark.parametrize("body", [{}, [], {"exposures": []}, {"exposures": "x"}, {"exposures": [{}] * 5_001}])
def test_a_body_without_rows_or_with_too_many_is_refused_whole(trial, body):
    answer = make_api_client().post("/api/v1/experiments/cheaper/exposures", body, "json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/exposures"


def test_unknown_experiments_sales_designs_and_wrong_scopes_are_refused(trial):
    assert post("exposures", [exposure("1")], code="nope").status_code == 404
    make_trial("sku", code="by-sku")
    assert post("exposures", [exposure("1")], code="by-sku").status_code == 409
    client = make_api_client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key('prices:read')}")
    assert post("exposures", [exposure("1")], client).status_code == 403


def test_five_thousand_rows_take_seconds_at_most(trial):
    rows = [exposure(str(at), f"v{at}") for at in range(5_000)]
    began = time.monotonic()
    assert post("exposures", rows).data["counted"] == 5_000
    assert time.monotonic() - began < 20, "measured: 2 s"
