"""The bandit's own ledger, of a market whose demand is known, says what other policies would have earned."""

import uuid
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from experiments.models import PricingDecision
from experiments.selectors.policy_values import policy_values
from experiments.services.decide_prices import DemandEvent, decide_prices
from experiments.services.record_outcomes import Outcome, record_outcomes
from tests.factories import make_api_client, make_listing

pytestmark = pytest.mark.django_db
NOW = timezone.now()
RATES = {
    Decimal("9.00"): 0.45,
    Decimal("9.50"): 0.40,
    Decimal("10.00"): 0.36,
    Decimal("10.50"): 0.3,
    Decimal("11.00"): 0.2,
}
WORTH = {price: float(price) * rate for price, rate in RATES.items()}


@pytest.fixture
def market():
    """2,500 decisions at five locations, of shoppers who buy at the rates above; nothing was known before them."""
    make_listing("A")
    rng = np.random.default_rng(5)
    events = [DemandEvent(uuid.uuid4(), "web", "A", f"place-{n % 5}", 1, 1, NOW) for n in range(2_500)]
    decided = decide_prices(events=events, now=NOW, rng=rng).decided
    outcomes = [Outcome(each.decision_id, bool(rng.random() < RATES[Decimal(each.price)]), NOW) for each in decided]
    record_outcomes(outcomes=outcomes, now=NOW)


def values(*policies, **period):
    found = policy_values(
        channel="web",
        **{"since": NOW - timedelta(hours=1), "until": NOW + timedelta(hours=1)} | period,
        **({"policies": policies} if policies else {}),
    )
    return {value.policy: value for value in found}


def test_what_was_done_is_worth_what_was_earned(market):
    earned = sum(float(row.price) for row in PricingDecision.objects.filter(state="purchased")) / 2_500
    result = values("logged")["logged"].result
    assert result.decisions == 2_500 and result.largest_weight == 1.0
    for estimate in (result.ips, result.snips, result.logged):
        assert estimate.value == pytest.approx(earned, rel=1e-9)
    assert result.doubly_robust.low < earned < result.doubly_robust.high


@pytest.mark.parametrize(
    ("policy", "truth"),
    [
        ("lowest", WORTH[Decimal("9.00")]),
        ("highest", WORTH[Decimal("11.00")]),
        ("list_price", WORTH[Decimal("10.00")]),
        ("uniform", np.mean(list(WORTH.values()))),
    ],
)
def test_the_truth_about_another_policy_lies_in_its_interval(market, policy, truth):
    result = values(policy)[policy].result
    assert result.has_overlap
    for estimate in (result.doubly_robust, result.snips, result.ips):
        # four standard errors: the interval has 1.96 of them on each side
        assert abs(estimate.value - truth) < 2.05 * (estimate.high - estimate.low) / 2
    assert result.doubly_robust.high - result.doubly_robust.low < 3


def test_waiting_decisions_and_other_periods_say_nothing(market):
    decide_prices(
        events=[DemandEvent(uuid.uuid4(), "web", "A", "london", 1, 1, NOW)], now=NOW, rng=np.random.default_rng(0)
    )
    assert values("uniform")["uniform"].result.decisions == 2_500
    nothing = values("uniform", since=NOW - timedelta(days=2), until=NOW - timedelta(days=1))["uniform"]
    assert nothing.result is None and "choose a longer period" in nothing.problem


def test_the_command_shows_every_policy_and_says_where_nothing_is_known(market, capsys):
    call_command("evaluate_bandit_policy")
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("logged", "list_price", "greedy", "uniform", "lowest", "highest"))
    with pytest.raises(CommandError, match="no settled decisions"):
        call_command("evaluate_bandit_policy", until=NOW - timedelta(days=9))
    with pytest.raises(CommandError, match="--since is not before") as error:
        call_command("evaluate_bandit_policy", since=NOW, until=NOW - timedelta(days=9))
    assert error.value.returncode == 2


def test_the_api_answers_the_same(market):
    client = make_api_client()
    url = "/api/v1/bandit-evaluations"
    body = client.get(url, {"policy": "uniform", "since": (NOW - timedelta(hours=1)).isoformat()}).json()
    (row,) = body["policies"]
    expected = values("uniform")["uniform"].result
    assert row["doubly_robust"]["value"] == pytest.approx(expected.doubly_robust.value)
    assert (body["currency"], row["decisions"], row["reliable"]) == ("GBP", 2_500, True)
    for query, pointer in [
        ({"policy": "best"}, "#/policy"),
        ({"since": NOW.isoformat(), "until": NOW.isoformat()}, "#/since"),
    ]:
        answer = client.get(url, query)
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == pointer
    assert client.get(url, {"channel": "moon"}).status_code == 404
