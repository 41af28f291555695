"""The doors for price experiments: one request a step, told once, and refused in words."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from rest_framework.test import APIClient

from catalog.models import ApiKey, ApprovalPolicy, Listing, PriceApproval, PriceChange, Product
from experiments.models import PriceExperiment
from pricing_site.roles import set_up_roles
from tests.experiments.shop import make_draft, make_shop
from tests.factories import make_api_client, make_api_key, make_channel

pytestmark = pytest.mark.django_db

URL = "/api/v1/experiments"
DRAFT = {
    "code": "spring",
    "name": "Spring",
    "hypothesis": "Shoppers do not mind.",
    "channel": "web",
    "horizon_days": 28,
    "minimum_effect": "0.05",
    "arms": [{"name": "control", "share": 5000}, {"name": "dearer", "share": 5000, "price_change": "0.05"}],
    "guardrails": [{"metric": "units", "tolerated_loss": "0.1"}],
}


@pytest.fixture
def client():
    return make_api_client()


def draft(client, **changed):
    return client.post(URL, DRAFT | changed, format="json")


def step(client, name, body=None, code="spring", **headers):
    return client.post(f"{URL}/{code}/{name}", body or {}, format="json", headers=headers)


def running(client):
    make_shop()
    draft(client)
    step(client, "submit")
    return step(client, "start")


def client_of(name):
    """A client whose key belongs to a manager of that name."""
    set_up_roles()
    person = User.objects.create_user(name)
    person.groups.set([Group.objects.get(name="manager")])
    caller = APIClient()
    scopes = ["experiments:read", "experiments:write"]
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {ApiKey.issue(name=name, scopes=scopes, owner=person)[1]}")
    return caller


def test_from_a_draft_to_promoted_prices(client):
    make_shop()
    answer = draft(client)
    assert answer.status_code == 201 and answer["Location"] == f"{URL}/spring"
    assert answer.json()["arms"][1] == {"name": "dearer", "share": 5000, "price_change": "0.0500"}
    assert answer.json()["layer"] == "prices" and answer.json()["plan"] is None
    assert step(client, "plan").json()["plan"]["listings"] == 24
    assert step(client, "submit").json()["status"] == "review"
    assert step(client, "start").json()["status"] == "running"
    assert step(client, "stop", {"reason": "Enough seen"}).json()["stop_reason"] == "Enough seen"
    decided = step(client, "decide", {"decision": "promoted", "arm": "dearer"}).json()
    assert (decided["status"], decided["promoted_arm"]) == ("decided", "dearer")
    assert decided["prices"] == {
        "published": 24,
        "unchanged": 0,
        "already_published": 0,
        "waiting": 0,
        "refused": {},
    }
    assert step(client, "decide", {"decision": "promoted", "arm": "dearer"}).json()["prices"]["already_published"] == 24
    assert Listing.objects.filter(price="10.50").count() == 24


def test_the_list_shows_all_newest_first_and_by_state(client):
    make_channel()
    for code in ("one", "two"):
        make_draft(code)
    assert [row["code"] for row in client.get(URL).json()["results"]] == ["two", "one"]
    assert client.get(f"{URL}?status=running").json()["results"] == []
    assert client.get(f"{URL}?status=odd").status_code == 400


def test_a_retry_under_the_same_key_gets_the_first_answer(client):
    make_shop()
    key = {"Idempotency-Key": "k1"}
    first = client.post(URL, DRAFT, format="json", headers=key)
    again = client.post(URL, DRAFT, format="json", headers=key)
    assert again.status_code == 201 and again.json() == first.json() and again["Idempotent-Replayed"] == "true"
    assert client.post(URL, DRAFT | {"name": "x"}, format="json", headers=key).status_code == 422
    assert PriceExperiment.objects.count() == 1


def test_a_retried_promotion_publishes_once(client):
    running(client)
    step(client, "stop", {"reason": "x"})
    body, key = {"decision": "promoted", "arm": "dearer"}, {"Idempotency-Key": "k1"}
    answers = [step(client, "decide", body, **key).json() for _ in range(2)]
    assert answers[0] == answers[1] and PriceChange.objects.count() == 24


def test_a_promotion_of_which_nothing_passes_is_a_conflict_with_the_reasons(client):
    running(client)
    step(client, "stop", {"reason": "x"})
    Product.objects.update(is_active=False)
    answer = step(client, "decide", {"decision": "promoted", "arm": "dearer"})
    assert answer.status_code == 409 and answer.json()["problems"][1].startswith("24 refused: ")
    assert client.get(f"{URL}/spring").json()["status"] == "stopped"
    assert step(client, "decide", {"decision": "kept"}).json()["decision"] == "kept"


def test_a_step_in_the_wrong_state_is_a_conflict(client):
    running(client)
    answer = step(client, "start")
    assert (
        answer.status_code == 409 and answer.json()["detail"] == "Experiment spring is running: it must be in review."
    )
    assert answer["Content-Type"] == "application/problem+json"


def test_faults_of_a_plan_are_listed(client):
    make_shop(categories=1, products=2)
    draft(client)
    answer = step(client, "submit")
    assert answer.status_code == 409 and len(answer.json()["problems"]) == 2


def test_what_changed_since_it_was_looked_at_is_not_submitted(client):
    make_shop()
    etag = draft(client)["ETag"]
    PriceExperiment.objects.update(hypothesis="Another one.")
    answer = step(client, "submit", **{"If-Match": etag})
    assert answer.status_code == 412
    etag = client.get(f"{URL}/spring")["ETag"]
    assert step(client, "submit", **{"If-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "pointer", "words"),
    [
        ({"channel": "moon"}, "#/channel", "no channel 'moon'"),
        ({"category": "moon"}, "#/category", "no category 'moon'"),
        ({"design": "random"}, "#/design", "not a valid choice"),
        ({"arms": DRAFT["arms"][:1]}, "#/arms", "two or more"),
        ({"arms": [{"name": "control", "share": "many"}]}, "#/arms/0/share", "valid integer"),
        ({"horizon_days": 0}, "#/horizon_days", "greater than or equal to 1"),
        ({"horizon_days": None, "method": "fixed"}, "#", "need a horizon"),
        ({"minimum_effect": "often"}, "#/minimum_effect", "valid number"),
        ({"guardrails": [{"metric": "cost", "tolerated_loss": "0.1"}]}, "#/guardrails/0/metric", "not a valid choice"),
    ],
)
def test_a_faulty_draft_names_the_field(client, changed, pointer, words):
    make_channel()
    answer = draft(client, **changed)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer and words in error["detail"]
    assert not PriceExperiment.objects.exists()


def test_an_unknown_code_and_arm_say_what_there_is(client):
    assert step(client, "stop", {"reason": "x"}, code="moon").status_code == 404
    running(client)
    step(client, "stop", {"reason": "x"})
    answer = step(client, "decide", {"decision": "promoted", "arm": "moon"})
    assert answer.status_code == 400 and "give one of control, dearer" in answer.json()["errors"][0]["detail"]
    answer = step(client, "decide", {"decision": "promoted"})
    assert answer.json()["errors"][0]["pointer"] == "#/arm"


def test_a_stop_needs_a_reason(client):
    running(client)
    assert step(client, "stop").json()["errors"][0]["pointer"] == "#/reason"


def test_withdrawn_it_never_starts(client):
    make_shop()
    draft(client)
    assert step(client, "withdraw", {"reason": "Not now"}).json()["status"] == "withdrawn"
    assert step(client, "submit").status_code == 409


def test_above_the_policy_the_owner_of_another_key_starts_it():
    make_shop()
    ApprovalPolicy.objects.create(max_change="0.01")
    ann, bob = client_of("ann"), client_of("bob")
    draft(ann)
    step(ann, "submit")
    assert step(ann, "start").status_code == 403
    assert step(make_api_client(), "start").status_code == 403  # a key of nobody
    answer = step(bob, "start")
    assert answer.status_code == 200 and answer.json()["started_by"] == "bob"


def test_a_key_promotes_for_its_owner_who_cannot_approve_the_prices_even_without_the_permission(client):
    running(client)
    step(client, "stop", {"reason": "x"})
    ApprovalPolicy.objects.create(max_change="0.01")
    caller = client_of("ann")
    User.objects.get(username="ann").groups.clear()
    assert step(caller, "decide", {"decision": "promoted", "arm": "dearer"}).json()["prices"]["waiting"] == 24
    assert set(PriceApproval.objects.values_list("requested_by__username", flat=True)) == {"ann"}


STEPS = ("plan", "submit", "start", "stop", "withdraw", "decide")
READ = ("", "/spring", "/spring/readout", "/spring/readout.html")


@pytest.mark.parametrize("scope", ["prices:read", "runs:write", "experiments:read"])
def test_a_key_without_the_scope_is_refused(scope):
    make_draft()
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(scope)}")
    reads = [200] * 4 if scope == "experiments:read" else [403] * 4
    assert [caller.get(f"{URL}{path}").status_code for path in READ] == reads
    assert draft(caller, code="other").status_code == 403
    assert {step(caller, name).status_code for name in STEPS} == {403}


@pytest.mark.parametrize(
    ("permissions", "reads", "writes"),
    [
        (["add_optimizationrun"], 403, 403),
        (["view_priceexperiment"], 200, 403),
        (["view_priceexperiment", "change_priceexperiment"], 200, 201),
    ],
)
def test_a_person_needs_the_permissions_that_the_admin_asks_for(permissions, reads, writes):
    make_draft()
    person = User.objects.create_user("ann")
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    caller = APIClient()
    caller.force_login(person)
    assert {caller.get(f"{URL}{path}").status_code for path in READ} == {reads}
    assert draft(caller, code="other").status_code == writes
    assert (step(caller, "withdraw", {"reason": "x"}).status_code == 200) == (writes == 201)


def test_every_role_that_may_in_the_admin_may_here_and_no_other():
    set_up_roles()
    make_draft()
    for role, writes in (("viewer", 403), ("analyst", 403), ("manager", 201)):
        person = User.objects.create_user(role)
        person.groups.set([Group.objects.get(name=role)])
        caller = APIClient()
        caller.force_login(person)
        assert caller.get(URL).status_code == 200
        assert draft(caller, code=role).status_code == writes
