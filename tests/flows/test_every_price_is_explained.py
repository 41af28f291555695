"""Whoever decided a price, its explanation says why, and what was computed is computed again to the same price."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import ApprovalPolicy, Listing, PriceApproval, PriceGroup, PriceGroupMember, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.override_requests import read_request
from catalog.services.apply_overrides import apply_due_overrides
from catalog.services.arms import Arm, serve_arms
from catalog.services.list_prices import publish_list_prices
from catalog.services.overrides import schedule_override
from catalog.services.price_approvals import approve_price
from catalog.services.roll_back import roll_back_run
from optimizer.models import MarkdownPlan
from optimizer.services.markdown_plans import start_markdown_plan
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.promote_simulation import promote_simulation
from optimizer.services.replan_markdowns import replan_markdowns
from optimizer.services.solve_together import solve_together
from tests.factories import make_api_key, make_listing, publish
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit
from tests.optimizer.simulations import computed

pytestmark = pytest.mark.django_db


def run(*listings):
    make_fit(listings[0].channel, list(listings))
    done = open_run(channel=listings[0].channel, objective="profit", now=timezone.now())
    optimize_chunk(run_id=done.pk, first_pk=done.chunks.get().first_pk, now=timezone.now())
    solve_together(run_id=done.pk, now=timezone.now())
    return close_run(run_id=done.pk, now=timezone.now())


def boss():
    return User.objects.get_or_create(username="boss")[0]


def list_price(listing):
    publish_list_prices(channel=listing.channel, now=timezone.now(), author=boss(), reason="set by hand")


def optimiser(listing):
    run(listing)


def related_prices(listing):
    group = PriceGroup.objects.create(kind="family", name="mugs")
    for member in (listing, make_listing("B", unit_cost=Decimal("4.00"))):
        PriceGroupMember.objects.create(group=group, kind="family", product=member.product)
    run(*Listing.objects.order_by("pk"))


def simulation(listing):
    what_if = computed(listing)
    promote_simulation(run_id=what_if.run_id, expected=what_if.fingerprint, author=boss(), now=timezone.now())


def markdown(listing):
    make_fit(listing.channel, [listing])
    today = timezone.localdate()
    dates = {"starts_on": today, "ends_on": today + timedelta(days=27)}
    plan = MarkdownPlan(listing=listing, created_at=timezone.now(), penalty=Decimal(2), reason="Winter", **dates)
    start_markdown_plan(plan=plan, now=timezone.now())
    replan_markdowns(now=timezone.now())


def override(listing):
    publish(listing, "9.00", source=PriceSource.OVERRIDE, author=boss(), reason="Meet a rival")


def promotion_and_its_return(listing):
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    now = timezone.now()
    text = {"sku": "A", "price": "8.00", "kind": "promotion", "reason": "Fair"}
    request = read_request(
        text | {"ends_at": (now + timedelta(hours=1)).isoformat(), "time_zone": "UTC"}, channel=listing.channel
    )
    schedule_override(channel=listing.channel, request=request, now=now, author=boss())
    apply_due_overrides(now=now + timedelta(hours=2))


def rollback(listing):
    roll_back_run(run_id=run(listing).pk, author=boss(), reason="wrong costs", now=timezone.now())


def approval(listing):
    ApprovalPolicy.objects.create(max_change="0.05")
    run(listing)
    waiting = PriceApproval.objects.get(status="waiting")
    approve_price(approval_id=waiting.pk, by=boss(), now=timezone.now())


def arm(listing):
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    arms = {listing.pk: [Arm("control", 5_000, Decimal("10.00")), Arm("dearer", 5_000, Decimal("10.50"))]}
    unit = ServedExperiment.Unit.SKU
    serve_arms(channel=listing.channel, experiment="spring", salt="s", unit=unit, arms=arms, now=timezone.now())


COMPUTED = {"optimizer", "markdown"}
CASES = [
    (list_price, "list_price", {"reason": "set by hand", "author": "boss"}),
    (optimiser, "optimizer", {}),
    (related_prices, "optimizer", {"binding_rule": "family"}),
    (simulation, "optimizer", {"author": "boss"}),
    (markdown, "markdown", {"reason": "Markdown plan"}),
    (override, "override", {"reason": "Meet a rival", "author": "boss"}),
    (promotion_and_its_return, "list_price", {"reason": "the promotion ended: back to the list price"}),
    (rollback, "rollback", {"reason": "wrong costs", "author": "boss"}),
    (approval, "optimizer", {"approved_by": "boss"}),
    (arm, "list_price", {}),
]


@pytest.mark.parametrize(("decide", "source", "change"), CASES, ids=[decide.__name__ for decide, *_ in CASES])
def test_every_price_says_why_and_replays(client, decide, source, change):
    listing = make_listing("A", inventory=120)
    decide(listing)
    headers = {"Authorization": f"Bearer {make_api_key()}"}
    body = client.get("/api/v1/prices/A/explanation", headers=headers).json()
    listing.refresh_from_db()
    in_force, served, why = body["change"], body["served"], body["why"]
    assert (in_force["source"], Decimal(in_force["price"])) == (source, listing.price)
    assert {name: in_force[name] for name in change} == change
    assert served["prior_price"] and served["personalised"] is False and "reduction_may_be_announced" in served
    assert why["checked"]["at"] and why["checked"]["unit_cost"] == {"value": "6", "assumed": False} | {
        "at": listing.unit_cost_at.isoformat()
    }
    if source in COMPUTED:
        assert body["replay"]["matches"] and Decimal(body["replay"]["price"]) == listing.price
        assert why["model"].startswith("elasticity-") and why["inputs"]["unit_cost"]["at"]
        assert why["inputs"]["elasticity"]["mean"] < 0 and why["inputs"]["inventory"]["at"]
    else:
        assert body["replay"] is None  # somebody's own price: nothing was computed
    if source == "optimizer":
        assert "candidate" in why and why["clamps"] and why["guardrails"]
    if decide is arm:
        assert served["experiment"] == "spring" and served["price"] in {each["price"] for each in body["arms"]}
    else:
        assert Decimal(served["price"]) == listing.price and served["arm"] is None
