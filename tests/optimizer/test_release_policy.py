"""The gate of policies: simulation, then shadow, then release; and what a release means."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from catalog.admin.cells import admin_url
from optimizer import policy_gate
from optimizer.models import HorizonPolicy, MarkdownStep, ShadowDecision
from optimizer.policy_gate import Shadow, policy_checks
from optimizer.selectors.policy_shadow import shadow_of
from optimizer.services.release_policy import PolicyStaysOut, judge_policy, release_policy
from optimizer.services.replan_markdowns import replan_markdowns
from optimizer.services.shadow_policies import shadow_policies
from tests.optimizer.test_horizon_policies import MONDAY, make_policy, started

pytestmark = pytest.mark.django_db

GOOD = {
    "problems": 200,
    "seed": 0,
    "policies": {"dqn": {"mean": 0.996, "worst": 0.98}, "fluid": {"mean": 0.994, "worst": 0.97}},
}
ASKED = Shadow(decisions=200, days=14, illegal=0, share=0.99, served_share=0.99)


def broken(scores=GOOD, **shadow) -> list[str]:
    given = {name: getattr(ASKED, name) for name in Shadow.__dataclass_fields__} | shadow
    return [check.rule for check in policy_checks(scores, Shadow(**given)) if not check.passes]


def test_all_rules_pass_at_their_edges():
    assert broken() == [] and broken(share=0.9851) == []


@pytest.mark.parametrize(
    ("shadow", "rule"),
    [
        ({"decisions": 199}, "asked beside 200 decisions"),
        ({"days": 13}, "over 14 days"),
        ({"illegal": 1}, "no price that the plan may not take"),
        ({"share": 0.984}, "at most 0.5% of the best one below"),
        ({"share": None, "served_share": None}, "at most 0.5% of the best one below"),
    ],
)
def test_each_rule_of_the_shadow_refuses_alone(shadow, rule):
    assert len(broken(**shadow)) == 1 and rule in broken(**shadow)[0]


def test_each_rule_of_the_simulation_refuses():
    assert len(broken({})) == 3
    few = GOOD | {"problems": 99}
    worse = {"problems": 200, "policies": {"dqn": {"mean": 0.993}, "fluid": {"mean": 0.994}}}
    poor = {"problems": 200, "policies": {"dqn": {"mean": 0.98}, "fluid": {"mean": 0.97}}}
    assert [len(broken(scores)) for scores in (few, worse, poor)] == [1, 1, 1]
    assert "more than the fluid model" in broken(worse)[0] and "99% of the exact optimum" in broken(poor)[0]


def shadowed(weeks: int = 2) -> HorizonPolicy:
    policy = make_policy(scores=GOOD)
    started()
    for week in range(weeks):
        replan_markdowns(now=MONDAY + timedelta(weeks=week))
        shadow_policies(now=MONDAY + timedelta(weeks=week))
    return policy


def test_the_served_price_is_valued_beside_the_networks_by_the_same_exact_model():
    policy = shadowed()
    first, second = ShadowDecision.objects.order_by("pk")
    assert 0.5 < first.served_share <= 1.05 and first.served_share != first.share
    found = shadow_of(policy)
    assert (found.decisions, found.days, found.illegal) == (2, 8, 0)
    assert found.share == pytest.approx((first.share + second.share) / 2)
    assert found.served_share == pytest.approx((first.served_share + second.served_share) / 2)


@pytest.mark.parametrize("price", [5.9, 10.2], ids=["below the cost", "above a price that may only fall"])
def test_a_price_that_the_plan_may_not_take_is_counted(price):
    policy = shadowed(weeks=1)
    ShadowDecision.objects.update(price=price)
    assert shadow_of(policy).illegal == 1


def test_a_policy_that_breaks_a_rule_stays_out_with_the_numbers():
    policy = shadowed()
    with pytest.raises(PolicyStaysOut, match=r"200 decisions of markdown plans at least: 2; over 14 days at least: 8"):
        release_policy(policy_id=policy.pk, author=None, now=MONDAY)
    policy.refresh_from_db()
    assert policy.released_at is None
    with pytest.raises(CommandError, match="is not released") as error:
        call_command("release_policy", str(policy.pk))
    assert error.value.returncode == 2
    with pytest.raises(CommandError, match="no policy dqn-999"):
        call_command("release_policy", "999")


@pytest.fixture
def lenient(monkeypatch):
    for name, value in (("LEAST_DECISIONS", 2), ("LEAST_DAYS", 8), ("WORSE_BY", 1.0)):
        monkeypatch.setattr(policy_gate, name, value)


def test_one_that_passes_is_released_once_and_serves_nothing_that_can_be_solved_exactly(lenient, capsys):
    policy, ann = shadowed(), User.objects.create_user("ann")
    call_command("release_policy", str(policy.pk), f"--author={ann.username}")
    assert "exact programme goes on serving them all" in " ".join(capsys.readouterr().out.split())
    policy.refresh_from_db()
    assert policy.gate["passes"] and policy.released_by == ann
    again = release_policy(policy_id=policy.pk, author=None, now=MONDAY + timedelta(days=90))
    assert (again.released_by, again.released_at) == (ann, policy.released_at)
    replan_markdowns(now=MONDAY + timedelta(weeks=2))
    assert "ladder" in MarkdownStep.objects.order_by("-pk")[0].inputs, "the plan's own programme decided"


def test_a_released_one_that_does_not_pass_any_more_is_withdrawn(lenient):
    policy = shadowed()
    release_policy(policy_id=policy.pk, author=None, now=MONDAY)
    ShadowDecision.objects.update(price=Decimal(1))
    judge_policy(policy_id=policy.pk, now=MONDAY)
    policy.refresh_from_db()
    assert policy.released_at is None and not policy.gate["passes"]


def test_the_database_releases_none_past_its_gate():
    policy = make_policy()
    with pytest.raises(IntegrityError), transaction.atomic():
        HorizonPolicy.objects.filter(pk=policy.pk).update(released_at=MONDAY)


def test_the_gate_is_printed_and_shown(capsys):
    policy = shadowed()
    call_command("evaluate_policy", str(policy.pk), problems=2)
    said = " ".join(capsys.readouterr().out.split())
    assert "does not pass" in said and "over 14 days at least" in said and "is not released" in said
    policy.refresh_from_db()
    assert policy.gate["checks"][3]["found"] == "2"
    window = Client()
    window.force_login(User.objects.create_superuser("root"))
    page = window.get(admin_url("optimizer_horizonpolicy_change", policy.pk)).content.decode()
    assert "✗ over 14 days at least: 8" in page and "✓ more than the fluid model" in page and "is not released" in page
