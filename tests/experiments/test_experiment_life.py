"""From a draft to a decision: what is served, what is kept, and who may do what when."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from catalog.models import (
    ApprovalPolicy,
    Listing,
    PriceChange,
    PriceGroup,
    PriceGroupMember,
    ServedArm,
    ServedExperiment,
)
from catalog.models.listing import PriceSource
from catalog.services.kill_switches import flip_kill_switch
from experiments.models import ExperimentArm, ExperimentUnit, HoldoutListing, PriceExperiment
from experiments.selectors.ladders import price_ladders
from experiments.services.decide_experiment import decide_experiment, promote_arm
from experiments.services.lifecycle import CannotRun, NeedsSecondPerson, WrongState
from experiments.services.start_experiment import start_experiment, submit_experiment, withdraw_experiment
from experiments.services.stop_experiment import stop_experiment
from tests.experiments.shop import make_draft, make_shop, now, running, served, stopped, submitted, units_of
from tests.factories import publish

pytestmark = pytest.mark.django_db

Decision = PriceExperiment.Decision


def test_it_goes_from_draft_to_decided_and_every_step_is_signed():
    make_shop()
    row = stopped()
    row = decide_experiment(experiment=row.pk, decision=Decision.KEPT, by="cas", now=now())
    signed = (row.created_by, row.submitted_by, row.started_by, row.stopped_by, row.decided_by)
    assert signed == ("ann", "ann", "bob", "bob", "cas")
    assert (row.status, row.decision, row.stop_reason) == ("decided", "kept", "Enough seen")
    assert not PriceChange.objects.exists()


def test_from_the_start_every_unit_is_served_exactly_its_arm(django_capture_on_commit_callbacks):
    make_shop()
    with django_capture_on_commit_callbacks(execute=True):
        row = running()
    control, dearer = units_of(row, "control"), units_of(row, "dearer")
    assert len(control) == len(dearer) == 12
    prices = dict(ServedArm.objects.values_list("served_experiment__listing", "price"))
    assert {prices[pk] for pk in control} == {Decimal("10.00")} and {prices[pk] for pk in dearer} == {Decimal("10.50")}
    sku = Listing.objects.select_related("product").get(pk=dearer[0]).product.sku
    answer = served(sku)
    assert (answer["price"], answer["experiment"], answer["arm"]) == ("10.50", "spring", "dearer")
    with django_capture_on_commit_callbacks(execute=True):
        stop_experiment(experiment=row.pk, by="bob", reason="", now=now())
    answer = served(sku)
    assert (answer["price"], answer["experiment"]) == ("10.00", None)


def test_what_the_plan_showed_is_what_is_served():
    make_shop()
    row = submitted()
    shown = [(arm["name"], arm["listings"], arm["metric_a_day"]) for arm in row.plan["arms"]]
    row = start_experiment(experiment=row.pk, by="bob", now=now())
    assert [(arm["name"], arm["listings"], arm["metric_a_day"]) for arm in row.plan["arms"]] == shown
    unit = ExperimentUnit.objects.filter(experiment=row).first()
    assert unit.base_price == 10 and unit.base_version == 0 and unit.covariate > 0


def test_in_every_pair_each_arm_is_once():
    make_shop()
    row = running()
    pairs = {}
    for block, arm in ExperimentUnit.objects.filter(experiment=row).values_list("block", "arm__name"):
        pairs.setdefault(block, []).append(arm)
    assert all(sorted(arms) == ["control", "dearer"] for arms in pairs.values())


def test_a_listing_that_is_refused_after_the_draw_takes_its_partner_with_it():
    listings = make_shop()
    family = PriceGroup.objects.create(kind="family", name="All sizes")
    for listing in listings[:4]:
        PriceGroupMember.objects.create(group=family, kind="family", product=listing.product)
    row = running()
    refused = row.plan["refused"]
    assert refused["family"]["count"] >= 1
    assert refused["family"]["count"] + refused.get("partner_refused", {"count": 0})["count"] <= 8
    pairs = ExperimentUnit.objects.filter(experiment=row).values_list("block", flat=True)
    assert sorted(pairs) == sorted([*set(pairs)] * 2)
    assert ServedExperiment.objects.count() == len(pairs)


def test_a_family_in_one_category_keeps_one_price_where_categories_are_drawn():
    listings = make_shop()
    family = PriceGroup.objects.create(kind="family", name="All sizes")
    for listing in listings[:4]:
        PriceGroupMember.objects.create(group=family, kind="family", product=listing.product)
    row = running(design="category", matching="none")
    assert ExperimentUnit.objects.filter(experiment=row).count() == 24
    prices = ServedArm.objects.filter(served_experiment__listing__in=listings[:4]).values_list("price", flat=True)
    assert len(set(prices)) == 1


@pytest.mark.parametrize("design", [{"design": "region"}, {"design": "switchback", "slot_seconds": 3_600}])
def test_regions_and_slots_have_all_arms_on_every_listing(design):
    make_shop()
    row = running(**design)
    assert ExperimentUnit.objects.filter(experiment=row, arm=None).count() == 24
    assert ServedArm.objects.count() == 48


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda pk: start_experiment(experiment=pk, by="bob", now=now()), "is draft: it must be in review"),
        (lambda pk: stop_experiment(experiment=pk, by="bob", reason="", now=now()), "is draft: it must be running"),
        (
            lambda pk: decide_experiment(experiment=pk, decision=Decision.KEPT, by="bob", now=now()),
            "is draft: it must be stopped",
        ),
        (lambda pk: promote_arm(experiment=pk, arm="dearer", by="bob", now=now()), "must be stopped or decided"),
    ],
)
def test_a_step_from_the_wrong_state_is_refused(step, words):
    make_shop()
    with pytest.raises(WrongState, match=words):
        step(make_draft().pk)


def test_a_started_experiment_is_not_withdrawn_and_a_draft_is():
    make_shop()
    row = withdraw_experiment(experiment=make_draft("other").pk, by="ann", reason="Not now", now=now())
    assert (row.status, row.stop_reason) == ("withdrawn", "Not now")
    with pytest.raises(WrongState, match="is running: it must be draft or in review"):
        withdraw_experiment(experiment=running().pk, by="ann", reason="", now=now())


def test_a_plan_with_faults_is_not_submitted():
    make_shop(categories=1, products=2)
    with pytest.raises(CannotRun, match="2 are the least"):
        submit_experiment(experiment=make_draft().pk, by="ann", now=now())


def test_what_became_faulty_since_the_review_does_not_start():
    make_shop()
    row = submitted()
    Listing.objects.update(unit_cost=None)
    with pytest.raises(CannotRun, match="No listing can be tried"):
        start_experiment(experiment=row.pk, by="bob", now=now())
    row.refresh_from_db()
    assert row.status == "review" and not ExperimentUnit.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"minimum_effect": Decimal("0.01")},
        {"alpha": Decimal("0.1")},
        {"hypothesis": "It was so all along."},
        {"horizon_days": 90},
        {"metric": "units"},
        {"salt": "another"},
        {"status": "draft"},
    ],
)
def test_the_database_keeps_the_plan_from_the_review_on(changed):
    make_shop()
    row = submitted()
    with pytest.raises(IntegrityError, match=r"registered|cannot become"), transaction.atomic():
        PriceExperiment.objects.filter(pk=row.pk).update(**changed)
    PriceExperiment.objects.filter(pk=make_draft("other").pk).update(**changed | {"status": "draft"})


def test_the_database_keeps_arms_guardrails_and_units():
    make_shop()
    row = running(guardrails=[{"metric": "units", "tolerated_loss": Decimal("0.1")}])
    attempts = [
        lambda: ExperimentArm.objects.filter(experiment=row).update(price_change=Decimal("0.5")),
        lambda: ExperimentArm.objects.create(experiment=row, position=2, name="late", share=1, price_change="0.1"),
        lambda: row.guardrails.all().delete(),
        lambda: ExperimentUnit.objects.filter(experiment=row).update(covariate=0),
        lambda: ExperimentUnit.objects.filter(experiment=row).first().delete(),
        lambda: PriceExperiment.objects.filter(pk=row.pk).update(plan={}),
    ]
    for attempt in attempts:
        with pytest.raises(IntegrityError, match=r"cannot change"), transaction.atomic():
            attempt()


def test_a_draft_is_deleted_with_its_arms_and_nothing_later_is():
    make_shop()
    row = submitted(code="kept")
    with pytest.raises(IntegrityError, match="cannot change"), transaction.atomic():
        row.delete()
    with pytest.raises(IntegrityError, match="it is kept"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM experiments_priceexperiment WHERE id = %s", [row.pk])
    make_draft().delete()
    assert set(ExperimentArm.objects.values_list("experiment__code", flat=True)) == {"kept"}


def test_two_of_a_layer_do_not_run_on_the_same_buckets():
    make_shop(categories=5, products=20)
    running(buckets=5_000)
    with pytest.raises(CannotRun, match=r"spring of the same layer has buckets 0 to 4,999"):
        running(code="second", first_bucket=4_999, buckets=5_000)
    other = running(code="third", first_bucket=5_000, buckets=5_000)
    experiments = ServedExperiment.objects.values_list("listing_id", flat=True)
    assert len(experiments) == len(set(experiments)) and ExperimentUnit.objects.filter(experiment=other).exists()


def test_above_the_approval_policy_a_second_person_starts_it():
    make_shop()
    ApprovalPolicy.objects.create(max_change=Decimal("0.01"))
    ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
    row = submitted()
    for by, person in (("ann", ann), ("a machine", None)):
        with pytest.raises(NeedsSecondPerson, match="24 of its listings have a price above"):
            start_experiment(experiment=row.pk, by=by, person=person, now=now())
    row = start_experiment(experiment=row.pk, by="bob", person=bob, now=now())
    assert row.status == "running" and ServedExperiment.objects.count() == 24


def test_under_a_kill_switch_nothing_starts():
    make_shop()
    row = submitted()
    flip_kill_switch(reason="Odd prices", through="test", now=now(), model="experiment")
    with pytest.raises(CannotRun, match="No listing can be tried"):
        start_experiment(experiment=row.pk, by="bob", now=now())


def test_while_it_runs_nothing_automatic_moves_its_prices():
    listings = make_shop()
    row = running()
    assert publish(listings[0], "10.20").refused == {listings[0].pk: "in_experiment"}
    assert price_ladders(channel="web", skus=["C0-00"], now=now())["C0-00"].held_because == "in_experiment"
    stop_experiment(experiment=row.pk, by="bob", reason="", now=now())
    assert publish(listings[0], "10.20").published == [listings[0].pk]
    assert price_ladders(channel="web", skus=["C0-00"], now=now())["C0-00"].held_because == ""


def test_a_person_may_still_set_a_price_and_then_no_arm_is_served(django_capture_on_commit_callbacks):
    listings = make_shop()
    with django_capture_on_commit_callbacks(execute=True):
        running()
        publish(listings[0], "12.00", source=PriceSource.OVERRIDE)
    answer = served("C0-00")
    assert (answer["price"], answer["experiment"]) == ("12.00", None)


def test_a_held_out_listing_gets_no_automatic_price_but_a_persons():
    listing = make_shop(categories=1, products=1)[0]
    HoldoutListing.objects.create(listing=listing, since=now())
    assert publish(listing, "10.20").refused == {listing.pk: "held_out"}
    assert price_ladders(channel="web", skus=["C0-00"], now=now())["C0-00"].held_because == "held_out"
    assert publish(listing, "10.30", source=PriceSource.OVERRIDE).published == [listing.pk]


def test_a_stop_that_fails_half_way_changed_nothing(monkeypatch):
    make_shop()
    row = running()

    def crash(**kwargs):
        raise RuntimeError("the process died")

    monkeypatch.setattr("catalog.services.arms.serve_anew", crash)
    with pytest.raises(RuntimeError), transaction.atomic():
        stop_experiment(experiment=row.pk, by="bob", reason="", now=now())
    row.refresh_from_db()
    assert row.status == "running" and ServedExperiment.objects.filter(ended_at=None).count() == 24


def test_of_two_stops_the_first_wins():
    make_shop()
    row = stopped()
    with pytest.raises(WrongState, match="is stopped"):
        stop_experiment(experiment=row.pk, by="the watch", reason="guardrail", now=now() + timedelta(hours=1))
    row.refresh_from_db()
    assert row.stopped_by == "bob"


def test_only_the_experiment_and_its_layer_are_locked_for_a_plan():
    make_shop()
    with connection.cursor() as cursor:
        submitted()
        cursor.execute("SELECT count(*) FROM catalog_listing WHERE xmax <> 0 AND xmax = pg_current_xact_id()::xid")
        assert cursor.fetchone() == (0,)
