"""What markdown plans decided, read as a log, and a policy that learns from nothing else."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import DailySales
from optimizer.engine.q_learning import OfflineConfig
from optimizer.engine.q_learning.sight import Sight
from optimizer.engine.threads import one_thread
from optimizer.models import HorizonPolicy, MarkdownPlan, MarkdownStep, TrainingJob
from optimizer.services import learn_policy, plan_transitions
from optimizer.services.channel_sales import NothingToLearnFrom
from optimizer.services.open_training import open_policy
from optimizer.services.run_training import run_training
from optimizer.services.shadow_problems import PENALTY, shadow_problem
from tests.factories import make_api_client, make_channel, make_listing

pytestmark = pytest.mark.django_db

START = date(2026, 1, 5)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PRICES = [10.0, 9.51, 9.05, 8.61, 8.19, 7.79]


def a_plan(*steps: dict, listing=None, **fields) -> MarkdownPlan:
    """A plan of weeks that ended: 40 units, 10.00, cost 5.00, 9 units a week at 10.00, elasticity -2, salvage 2.00."""
    plan = MarkdownPlan.objects.create(
        listing=listing or make_listing(), status="finished", starts_on=START, created_at=NOW, reason="Winter",
        ends_on=START + timedelta(days=7 * len(steps) - 1), **{"salvage_value": Decimal(2)} | fields,
    )  # fmt: skip
    for week, step in enumerate(steps):
        given = {
            "plan": plan, "period_start": START + timedelta(weeks=week), "revision": 0, "decided_at": NOW,
            "periods_left": len(steps) - week, "price_version": 1, "outcome": "published", "inputs": {
                "ladder": [str(price) for price in PRICES], "unit_cost": {"value": "5.00"},
                "elasticity": {"mean": -2.0}, "demand": {"value": 9.0, "at_price": 10.0},
            },
        }  # fmt: skip
        MarkdownStep.objects.create(**given | step)
    return plan


def a_week(stock: int, before: float, price: float, **fields) -> dict:
    return {"stock": stock, "previous_price": Decimal(str(before)), "price": Decimal(str(price))} | fields


def of_channel(monkeypatch, least: int = 1) -> plan_transitions.PlanLog:
    monkeypatch.setattr(plan_transitions, "LEAST_DECISIONS", least)
    return plan_transitions.plan_transitions(channel=make_channel())


def test_a_decision_becomes_what_was_seen_done_and_earned(monkeypatch):
    plan = a_plan(a_week(40, 10, 9.05), a_week(28, 9.05, 9.05))
    log = of_channel(monkeypatch)
    assert log.left_out == {plan_transitions.NOT_OVER: 1}
    found = log.transitions
    problem = shadow_problem(plan.steps.order_by("pk")[0])
    sight, row = Sight(problem), np.zeros(1, dtype=np.int64)
    start = sight.ladder.start
    before, after = sight.look(row, row, start, np.array([40])), sight.look(row, row + 1, start - 2, np.array([28]))
    assert found.action.tolist() == [0], "two steps down"
    assert found.seen.tolist() == before.features.tolist() and found.ahead.tolist() == after.features.tolist()
    profit = (9.05 - 5.00) * 12
    assert found.reward[0] == pytest.approx((profit + after.potential[0] - before.potential[0]) / before.scale[0])
    assert found.admitted.tolist() == sight.mask(row, start - 2).tolist() and not found.done[0]
    assert found.unit_ratio[0] == pytest.approx(after.scale[0] / before.scale[0])


def test_the_last_period_ends_with_what_its_daily_sales_left(monkeypatch):
    plan = a_plan(a_week(40, 10, 10.0), a_week(28, 10, 9.51))
    for day, units in ((7, 3), (13, 4), (14, 9)):
        DailySales.objects.create(listing=plan.listing, day=START + timedelta(days=day), units=units, revenue=1)
    log = of_channel(monkeypatch)
    assert log.left_out == {} and log.transitions.done.tolist() == [False, True]
    problem = shadow_problem(plan.steps.order_by("pk")[1])
    sight, row = Sight(problem), np.zeros(1, dtype=np.int64)
    before = sight.look(row, row, sight.ladder.start, problem.stock)
    earned = (9.51 - 5) * 7 + (2 - 5) * 21
    assert log.transitions.reward[1] == pytest.approx((earned - before.potential[0]) / before.scale[0])


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (a_week(40, 10, 9.51, outcome="refused"), a_week(30, 10, 9.51), plan_transitions.NOT_IN_FORCE),
        (a_week(40, 10, 9.51), a_week(30, 8.0, 8.0), plan_transitions.OTHER_PRICE),
        (a_week(40, 10, 9.51), a_week(41, 9.51, 9.51), plan_transitions.STOCK_CAME_IN),
        (a_week(40, 10, 7.79), a_week(30, 7.79, 7.79), plan_transitions.WIDE),
        (a_week(40, 10, 9.51), a_week(None, 9.51, 9.51), plan_transitions.NOT_OVER),
    ],
)
def test_what_is_no_transition_is_left_out_and_says_why(monkeypatch, first, second, reason):
    a_plan(a_week(40, 10, 9.51), a_week(30, 9.51, 9.51))
    a_plan(first, second)
    log = of_channel(monkeypatch)
    assert len(log.transitions.action) == 1 and log.left_out[reason] >= 1


def test_problems_that_the_network_does_not_know_and_periods_decided_twice_are_left_out(monkeypatch):
    a_plan(a_week(40, 10, 9.51), a_week(30, 9.51, 9.51))
    a_plan(a_week(40, 10, 9.51), a_week(30, 9.51, 9.51), penalty=Decimal(1))
    a_plan(a_week(40, 10, 9.51), a_week(30, 9.05, 9.05, period_start=START, revision=1, periods_left=2))
    log = of_channel(monkeypatch)
    assert len(log.transitions.action) == 1
    assert log.left_out[PENALTY] == 2 and log.left_out[plan_transitions.CHANGED_WITHIN] == 1


def test_too_few_decisions_are_refused_with_how_many_there_are_and_why(monkeypatch):
    a_plan(a_week(40, 10, 9.51), a_week(30, 9.51, 9.51))
    with pytest.raises(
        NothingToLearnFrom, match=r"have 1 decisions to learn from and 750 are needed \(1 left out: what"
    ):
        of_channel(monkeypatch, least=750)
    with pytest.raises(CommandError, match="750 are needed") as error:
        call_command("train_dqn", "--offline")
    assert error.value.returncode == 2 and "\n" not in str(error.value)
    assert TrainingJob.objects.get().status == "failed"


def test_a_policy_is_learned_from_the_plans_alone_once_and_says_so(monkeypatch):
    rng, listing = np.random.default_rng(5), make_listing()
    for _ in range(25):
        stock, rung, weeks = 40, 0, []
        for _ in range(4):
            after = min(rung + int(rng.integers(0, 3)), len(PRICES) - 1)
            weeks.append(a_week(stock, PRICES[rung], PRICES[after]))
            stock, rung = max(stock - int(rng.poisson(9 * (PRICES[after] / 10) ** -2)), 1), after
        a_plan(*weeks, listing=listing)
    monkeypatch.setattr(plan_transitions, "LEAST_DECISIONS", 75)
    monkeypatch.setattr("optimizer.services.run_training.JUDGED_ON", 2)
    monkeypatch.setattr(learn_policy, "OfflineConfig", lambda **fields: OfflineConfig(updates=20, **fields))
    job = open_policy(channel=make_channel(), now=NOW, offline=True, seed=2)
    with one_thread():
        done = run_training(job_id=job.pk, clock=timezone.now)
    policy = HorizonPolicy.objects.get()
    assert (done.status, policy.updates, policy.config["offline"]["decisions"]) == ("done", 20, 75)
    assert policy.config["offline"]["left_out"] == {plan_transitions.NOT_OVER: 25}
    assert "learned from 75 decisions of markdown plans alone" in done.result["policy_words"]
    assert 0 < policy.scores["policies"]["dqn"]["mean"] <= 1 + 1e-9


def test_it_is_asked_for_through_the_api_and_for_policies_only(monkeypatch):
    monkeypatch.setattr("optimizer.tasks.run_training.delay", lambda pk: None)
    make_channel()
    client = make_api_client()
    wrong = client.post("/api/v1/training-jobs", {"kind": "fit", "offline": True}, format="json")
    assert wrong.status_code == 400 and "A job of kind fit has none" in str(wrong.json())
    assert client.post("/api/v1/training-jobs", {"kind": "policy", "offline": True}, format="json").status_code == 202
    assert TrainingJob.objects.get().asked["offline"] is True
