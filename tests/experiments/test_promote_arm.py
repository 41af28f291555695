"""An experiment that was stopped: the winner becomes the price in force, or nothing moves."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from catalog.models import (
    ApprovalPolicy,
    Listing,
    PriceApproval,
    PriceChange,
)
from catalog.services.kill_switches import flip_kill_switch, lift_kill_switch
from catalog.services.price_approvals import OwnRequest, approve_price
from experiments.models import ExperimentUnit, PriceExperiment
from experiments.services.decide_experiment import promote_arm
from experiments.services.lifecycle import CannotRun, WrongState
from tests.experiments.shop import ARMS, make_shop, now, running, stopped
from tests.factories import publish

pytestmark = pytest.mark.django_db

Decision = PriceExperiment.Decision


def test_the_winner_becomes_the_price_in_force_of_all_units():
    make_shop()
    row = stopped()
    done = promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    assert len(done.report.published) == 24 and done.report.refused == {}
    assert set(Listing.objects.values_list("price", "price_source")) == {(Decimal("10.50"), "experiment")}
    done.experiment.refresh_from_db()
    assert (done.experiment.decision, done.experiment.promoted_arm.name) == ("promoted", "dearer")
    change = PriceChange.objects.first()
    assert change.reason == "Arm dearer of experiment Five per cent dearer"
    assert change.explanation["experiment"] == "spring"


def test_promoting_twice_publishes_once_and_another_arm_never():
    make_shop()
    arms = (
        *ARMS[:1],
        {**ARMS[1], "share": 2_500},
        {"name": "cheaper", "share": 2_500, "price_change": Decimal("-0.05")},
    )
    row = stopped(arms=arms, matching="strata")
    promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    again = promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    assert len(again.report.already_published) == 24 and PriceChange.objects.count() == 24
    with pytest.raises(WrongState, match="is decided: it must be stopped"):
        promote_arm(experiment=row.pk, arm="cheaper", by="cas", now=now())


def test_where_another_price_came_into_force_the_winner_is_refused():
    listings = make_shop()
    row = stopped()
    publish(listings[0], "10.20")
    done = promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    assert done.report.refused == {listings[0].pk: "price_changed_meanwhile"}
    assert len(done.report.published) == 23


def test_while_another_experiment_runs_on_the_listings_no_winner_is_promoted_there():
    listings = make_shop()
    row = stopped()
    other = running(code="summer", category=listings[0].product.category)
    tried = set(ExperimentUnit.objects.filter(experiment=other).values_list("listing", flat=True))
    done = promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    assert len(tried) == 6 and done.report.refused == dict.fromkeys(tried, "in_experiment")
    assert len(done.report.published) == 18


def test_a_promotion_of_which_nothing_passes_leaves_it_stopped_until_something_does():
    make_shop()
    row = stopped()
    switch, _ = flip_kill_switch(reason="Odd prices", through="test", now=now(), model="experiment")
    with pytest.raises(CannotRun, match=r"Nothing was published.* 24 refused: .*kill"):
        promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    row.refresh_from_db()
    assert (row.status, row.decision, row.decided_at) == ("stopped", "", None)
    lift_kill_switch(switch_id=switch.pk, reason="Mended", through="test", now=now())
    done = promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    assert len(done.report.published) == 24 and done.experiment.status == "decided"


def test_the_control_is_kept_and_not_promoted():
    make_shop()
    with pytest.raises(CannotRun, match="in force already"):
        promote_arm(experiment=stopped().pk, arm="control", by="cas", now=now())


def test_a_winner_above_the_approval_policy_waits_for_a_second_person():
    make_shop()
    row = stopped()
    ApprovalPolicy.objects.create(max_change=Decimal("0.01"))
    done = promote_arm(experiment=row.pk, arm="dearer", by="cas", now=now())
    assert len(done.report.waiting) == 24 and PriceApproval.objects.filter(status="waiting").count() == 24


def test_whoever_promotes_a_winner_does_not_approve_its_prices():
    make_shop()
    row = stopped()
    ApprovalPolicy.objects.create(max_change=Decimal("0.01"))
    ann, bob = (User.objects.create_superuser(name) for name in ("ann", "bob"))
    promote_arm(experiment=row.pk, arm="dearer", by="ann", person=ann, now=now())
    waiting = PriceApproval.objects.filter(status="waiting").first()
    assert waiting.requested_by == ann
    with pytest.raises(OwnRequest):
        approve_price(approval_id=waiting.pk, by=ann, now=now())
    assert not approve_price(approval_id=waiting.pk, by=bob, now=now()).refused
    change = PriceChange.objects.get()
    assert (change.author, change.approved_by, change.price) == (ann, bob, Decimal("10.50"))
