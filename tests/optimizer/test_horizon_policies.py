"""Policies over a horizon: trained for a channel, judged by the exact optimum, and asked beside markdown plans."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
import torch
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from catalog.admin.cells import admin_url
from catalog.models import PriceChange
from optimizer.engine.horizon import ProblemRanges
from optimizer.engine.q_learning import DqnConfig, to_bytes
from optimizer.engine.q_learning.training import new_network
from optimizer.models import HorizonPolicy, MarkdownPlan, ShadowDecision, TrainingJob
from optimizer.services.horizon_ranges import horizon_ranges
from optimizer.services.learn_policy import learn_policy, policy_scores
from optimizer.services.markdown_plans import start_markdown_plan
from optimizer.services.open_training import open_policy
from optimizer.services.replan_markdowns import replan_markdowns
from optimizer.services.run_training import run_training
from optimizer.services.shadow_policies import shadow_policies
from optimizer.services.shadow_problems import FEW_CHANGES, NO_STOCK, PENALTY, TOO_MUCH, shadow_problem
from optimizer.tasks import ask_policies
from optimizer.tasks import run_training as run_training_task
from tests.factories import make_api_client, make_channel, make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 11, 2, 0, 5, tzinfo=UTC)
FEW_SECONDS = 0.02
"""Minutes: a network that learned next to nothing is stored, judged and asked as any other."""


@pytest.fixture(autouse=True)
def few_problems(monkeypatch):
    """Judge by a few problems: tables of 200 take most of a minute."""
    monkeypatch.setattr("optimizer.services.run_training.JUDGED_ON", 4)
    monkeypatch.setattr("optimizer.engine.q_learning.training.VALIDATION", 2)


def make_policy(**fields) -> HorizonPolicy:
    """A network with the weights that training begins with, as if it had been judged."""
    config = DqnConfig()
    share = {name: {"mean": 0.9, "worst": 0.8} for name in ("dqn", "fluid", "static", "hold", "exact")}
    defaults = {
        "channel": make_channel(),
        "job": open_policy(channel=make_channel(), now=MONDAY),
        "config": asdict(config),
        "artefact": to_bytes(new_network(config.seed, config.hidden, torch.device("cpu")), config),
        "scores": {"problems": 1, "seed": 0, "policies": share},
        "device": "cpu",
        "seconds": 1,
        "updates": 1,
        "created_at": MONDAY,
    }
    return HorizonPolicy.objects.create(**defaults | fields)


def started(**fields) -> MarkdownPlan:
    listing = make_listing(inventory=fields.pop("inventory", 120))
    make_fit(listing.channel, [listing])
    plan = {"starts_on": date(2026, 11, 2), "ends_on": date(2026, 11, 29), "reason": "Winter"} | fields
    return start_markdown_plan(plan=MarkdownPlan(listing=listing, created_at=MONDAY, **plan), now=MONDAY)


def test_a_policy_is_trained_once_judged_and_says_what_it_is_worth():
    job = open_policy(channel=make_channel(), now=MONDAY, minutes=FEW_SECONDS, seed=3)
    done = run_training(job_id=job.pk, clock=timezone.now)
    policy = HorizonPolicy.objects.get()
    assert (done.status, done.policy, policy.config["seed"]) == ("done", policy, 3)
    shares = {name: each["mean"] for name, each in policy.scores["policies"].items()}
    assert shares["exact"] == pytest.approx(1, abs=1e-9) and max(shares.values()) <= 1 + 1e-9
    assert shares["hold"] < shares["static"]
    assert f"dqn-{policy.pk} earns {shares['dqn']:.2%}" in done.result["policy_words"]
    assert "served by the exact dynamic programme" in done.result["policy_words"]


def test_killed_between_learning_and_judging_it_is_judged_and_not_trained_again():
    job = open_policy(channel=make_channel(), now=MONDAY, minutes=FEW_SECONDS)
    policy = learn_policy(job=job, now=MONDAY)
    assert run_training(job_id=job.pk, clock=timezone.now).policy == policy
    policy.refresh_from_db()
    assert HorizonPolicy.objects.count() == 1 and policy.scores


def test_the_same_problems_are_judged_alike_and_others_otherwise():
    policy = make_policy()
    scores = [policy_scores(policy=policy, problems=3, seed=seed) for seed in (1, 1, 2)]
    assert scores[0] == scores[1] and scores[0]["policies"] != scores[2]["policies"]


def test_problems_are_like_the_products_of_the_channel():
    assert horizon_ranges(channel=make_channel()) == ProblemRanges(), "no products"
    listings = [make_listing(list_price=Decimal(price)) for price in np.linspace(8, 12, 12).round(2).tolist()]
    make_fit(listings[0].channel, listings, base_demand=5.0)
    ranges = horizon_ranges(channel=make_channel())
    assert ranges.elasticity[0] < -2.0 < ranges.elasticity[1] < -1.8
    assert 8 < ranges.reference[0] < 8.3 and 11.7 < ranges.reference[1] < 12
    assert 0.5 < ranges.cost_share[0] < ranges.cost_share[1] < 0.75
    assert ranges.demand[0] < 5 < ranges.demand[1] and ranges.periods == ProblemRanges().periods


def test_it_is_asked_once_beside_every_decision_and_serves_nothing():
    policy, plan = make_policy(), started()
    replan_markdowns(now=MONDAY)
    changes = PriceChange.objects.count()
    assert shadow_policies(now=MONDAY) == 1 and shadow_policies(now=MONDAY) == 0
    decision = ShadowDecision.objects.get()
    assert (decision.policy, decision.step, decision.left_out) == (policy, plan.steps.get(), "")
    assert decision.price < 10.001 and 6 <= decision.best_price < 10.001, "only down, and not below the cost"
    assert 0 < decision.share <= 1 + 1e-9
    assert PriceChange.objects.count() == changes
    replan_markdowns(now=MONDAY + timedelta(weeks=1))
    ask_policies()
    assert ShadowDecision.objects.count() == 2


def test_the_newest_policy_that_was_judged_is_asked():
    first, second = make_policy(), make_policy()
    make_policy(scores={}, created_at=MONDAY + timedelta(days=1))
    started()
    replan_markdowns(now=MONDAY)
    shadow_policies(now=MONDAY)
    assert ShadowDecision.objects.get().policy == max(first, second, key=lambda policy: policy.pk)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"penalty": Decimal(1)}, PENALTY),
        ({"max_changes": 2}, FEW_CHANGES),
        ({"inventory": 1_001}, TOO_MUCH),
        ({"inventory": 0}, NO_STOCK),
    ],
)
def test_what_it_was_not_trained_for_is_left_out_and_says_why(fields, reason):
    make_policy()
    plan = started(**fields)
    replan_markdowns(now=MONDAY)
    assert shadow_problem(plan.steps.get()) == reason
    assert shadow_policies(now=MONDAY) == 1
    decision = ShadowDecision.objects.get()
    assert (decision.left_out, decision.price, decision.share) == (reason, None, None)


def test_the_commands_train_and_compare(capsys):
    make_channel()
    call_command("train_dqn", minutes=FEW_SECONDS)
    policy = HorizonPolicy.objects.get()
    call_command("evaluate_policy", policy.pk, problems=3)
    shown = capsys.readouterr().out
    assert "share of the exact optimum" in shown and "fluid model, solved again" in shown and "3 problems" in shown


@pytest.mark.parametrize(
    ("name", "arguments", "options", "cure"),
    [
        ("train_dqn", [], {"minutes": 0.0}, "got 0.0: give more than 0"),
        ("train_dqn", [], {"minutes": 121.0}, "at most 120"),
        ("train_dqn", [], {"seed": -1}, "give a whole number from 0"),
        ("train_dqn", [], {"channel": "nowhere"}, "no channel 'nowhere'"),
        ("evaluate_policy", [999], {}, "no policy dqn-999"),
    ],
)
def test_commands_refuse_bad_input(name, arguments, options, cure):
    make_channel()
    with pytest.raises(CommandError, match=cure) as refused:
        call_command(name, *arguments, **options)
    assert refused.value.returncode == 2 and not TrainingJob.objects.exists()


def test_problems_and_seed_of_a_comparison_are_checked():
    policy = make_policy()
    for options, cure in (({"problems": 0}, "--problems: 0; give 1 to"), ({"seed": -1}, "--seed: -1; give 0 to")):
        with pytest.raises(CommandError, match=cure):
            call_command("evaluate_policy", policy.pk, **options)


def test_a_policy_is_asked_for_through_the_api(monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr("optimizer.tasks.run_training.delay", run_training_task)
    make_channel()
    client = make_api_client()
    refused = client.post("/api/v1/training-jobs", {"kind": "policy", "minutes": 121}, format="json")
    assert refused.status_code == 400 and "120" in str(refused.json())
    wrong = client.post("/api/v1/training-jobs", {"kind": "cross", "minutes": 1}, format="json")
    assert wrong.status_code == 400 and "A job of kind cross has none" in str(wrong.json())
    with django_capture_on_commit_callbacks(execute=True):
        opened = client.post("/api/v1/training-jobs", {"kind": "policy", "minutes": FEW_SECONDS}, format="json")
    done = client.get(opened["Location"]).json()
    assert (done["status"], done["result"]["policy"]) == ("done", HorizonPolicy.objects.get().pk)


def test_the_admin_shows_policies_and_what_they_would_have_done():
    policy = make_policy()
    started()
    replan_markdowns(now=MONDAY)
    shadow_policies(now=MONDAY)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    page = client.get(admin_url("optimizer_horizonpolicy_change", policy.pk)).content.decode()
    assert "served by the exact dynamic programme" in page and "Asked beside 1 decision of" in page
    assert str(policy) in client.get(admin_url("optimizer_horizonpolicy_changelist")).content.decode()
    shadow = client.get(admin_url("optimizer_shadowdecision_changelist"))
    assert shadow.status_code == 200 and "%" in shadow.content.decode()
    assert client.get(admin_url("optimizer_shadowdecision_change", ShadowDecision.objects.get().pk)).status_code == 200
