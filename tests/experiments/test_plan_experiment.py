"""Plans: who would get what, what it can find, and what speaks against it."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from catalog.models import ApprovalPolicy, Category, DailySales, GuardrailPolicy, Listing, ServedExperiment
from catalog.models.listing import PriceSource
from experiments.models import ExperimentUnit, HoldoutListing
from experiments.selectors.analysis_plans import analysis_plan
from experiments.services import foresee
from experiments.services.draw_units import draw_units
from experiments.services.plan_experiment import plan_experiment
from experiments.stats.designs.duration import Question, precision
from tests.experiments.shop import ARMS, make_draft, make_shop
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


def plan(experiment):
    return plan_experiment(experiment=experiment.pk, now=timezone.now()).plan


def learned(monkeypatch, settings, pairs):
    """Have the planner ask a list of pairs in place of the optimiser."""
    array = np.array(pairs, dtype=[("listing", np.int64), ("other", np.int64), ("mean", np.float64)])
    monkeypatch.setattr("tests.experiments.shop.pairs_for_test", lambda channel: array, raising=False)
    settings.EXPERIMENT_SUBSTITUTES = "tests.experiments.shop.pairs_for_test"


def test_a_plan_says_who_gets_what_and_what_it_can_find():
    make_shop()
    found = plan(make_draft())
    assert [(arm["name"], arm["listings"], arm["units"]) for arm in found["arms"]] == [
        ("control", 12, 12),
        ("dearer", 12, 12),
    ]
    assert found["problems"] == []
    assert 0 < found["precision"]["power"] <= 1 and found["precision"]["looks_cost"] > 1
    assert found["precision"]["covariate_correlation"] > 0.8
    assert len(found["pairs"]) == 12
    assert found["registered"]["metric"] == "profit" and found["registered"]["alpha"] == "0.0500"


def test_planning_serves_nothing_and_keeps_nothing_but_the_plan():
    make_shop()
    draft = make_draft()
    found = plan(draft)
    draft.refresh_from_db()
    assert draft.plan == found and draft.status == "draft"
    assert not ServedExperiment.objects.exists() and not ExperimentUnit.objects.exists()


def test_the_same_salt_draws_the_same_plan():
    make_shop()
    draft = make_draft()
    assert plan(draft)["arms"] == plan(draft)["arms"]


def test_pairs_are_of_like_sales():
    make_shop(categories=6, products=10)
    found = plan(make_draft())
    levels = np.log(np.array(found["pairs"]))
    assert np.corrcoef(levels.T)[0, 1] > 0.9
    assert all(abs(gap) < 0.3 for gap in found["arms"][1]["differences"].values())


def test_what_the_gate_would_refuse_leaves_before_the_draw():
    listings = make_shop()
    Listing.objects.filter(pk=listings[0].pk).update(unit_cost=None)
    HoldoutListing.objects.create(listing=listings[1], since=timezone.now())
    publish(listings[2], "11.00", source=PriceSource.OVERRIDE)
    Listing.objects.filter(pk=listings[3].pk).update(list_price="0.05", unit_cost="0.01")
    refused = plan(make_draft())["refused"]
    assert {reason: each["skus"] for reason, each in refused.items()} == {
        "missing_cost": ["C0-00"],
        "held_out": ["C0-01"],
        "overridden": ["C0-02"],
        "no_change": ["C0-03"],
    }
    assert refused["held_out"]["why"] == "it is held out, so that what the engine earns can be measured"


def test_an_odd_listing_is_left_over_and_said():
    make_shop(categories=1, products=7)
    found = plan(make_draft())
    assert found["refused"]["left_over"]["count"] == 1
    assert sum(arm["listings"] for arm in found["arms"]) == 6


def test_a_listing_beyond_its_guardrails_leaves():
    make_shop()
    GuardrailPolicy.objects.create(max_change=Decimal("0.02"))
    found = plan(make_draft())
    assert found["refused"]["max_change"]["count"] == 24
    assert found["problems"] == ["No listing can be tried: see why each was refused."]


@pytest.mark.parametrize("matching", ["strata", "none"])
def test_strata_and_plain_draws_give_every_arm_its_share(matching):
    make_shop(categories=5, products=20)
    found = plan(make_draft(matching=matching))
    counts = [arm["listings"] for arm in found["arms"]]
    assert sum(counts) == 100 and abs(counts[0] - 50) <= (5 if matching == "strata" else 20)


def test_categories_are_drawn_whole():
    make_shop(categories=6, products=5)
    found = plan(make_draft(design="category", matching="none"))
    assert [(arm["listings"], arm["units"]) for arm in found["arms"]] == [(15, 3), (15, 3)]
    assert found["precision"]["unit"] == "category" and found["precision"]["design_effect"] >= 1


def test_buckets_of_a_layer_part_the_listings():
    make_shop(categories=5, products=20)
    first, second = (
        plan(make_draft(code, matching="none", first_bucket=start, buckets=5_000))
        for code, start in (("one", 0), ("two", 5_000))
    )
    assert first["listings"] + second["listings"] == 100
    assert first["outside_buckets"] == second["listings"]


def test_a_switchback_is_planned_by_how_all_sales_vary():
    make_shop()
    found = plan(make_draft(design="switchback", slot_seconds=7_200, washout_seconds=1_800))
    assert found["precision"]["unit"] == "slot" and found["problems"] == []
    assert found["interference"]["source"] == "none"
    assert found["listings"] == 24


def test_a_region_design_says_that_history_has_no_regions():
    make_shop()
    found = plan(make_draft(design="region"))
    assert "who bought where" in found["precision"]["unknown"]
    assert found["problems"] == []


def test_prices_by_visitor_are_off():
    make_shop()
    found = plan(make_draft(design="visitor", discloses_personalisation=True, disclosure="By an algorithm."))
    assert found["problems"][0].startswith("Prices by visitor are off")


ORDERS = {"metric": "revenue_per_order", "tolerated_loss": Decimal("0.1")}


@pytest.mark.parametrize("design", [{}, {"design": "category", "matching": "none"}])
def test_revenue_per_order_is_refused_where_daily_sales_are_read(design):
    make_shop()
    found = plan(make_draft(metric="revenue_per_order", guardrails=[ORDERS], **design))
    assert [problem.split(":")[0] for problem in found["problems"]] == [
        "Revenue per order cannot be the primary metric",
        "Revenue per order cannot be a guardrail",
    ]
    sold = {"metric": "conversion", "tolerated_loss": Decimal("0.1")}
    assert plan(make_draft("other", metric="units", guardrails=[sold], **design))["problems"] == []


def test_revenue_per_order_is_read_where_events_tell_orders():
    make_shop()
    assert plan(make_draft(design="region", metric="revenue_per_order", guardrails=[ORDERS]))["problems"] == []


def test_substitutes_in_other_arms_are_seen_and_categories_proposed(monkeypatch, settings):
    listings = make_shop(categories=6, products=6)
    pairs = [
        (one.pk, other.pk, 0.3)
        for one in listings
        for other in listings
        if one != other and one.product.category_id == other.product.category_id
    ]
    learned(monkeypatch, settings, pairs)
    found = plan(make_draft())
    seen = found["interference"]
    assert (seen["source"], seen["proposal"]) == ("learned", "category")
    # All others 5 % dearer: demand rises by 1.05^1.5, which the split does not see.
    assert seen["here"]["bias"] == pytest.approx(-(1.05**1.5 - 1), abs=0.02)
    assert abs(seen["by_category"]["bias"]) < 0.001
    bias = f"−{-100 * seen['here']['bias']:.1f} %"
    assert found["problems"] == [f"Substitutes in other arms would bias the effect by {bias}. Draw categories instead."]
    by_category = plan(make_draft("by-category", design="category", matching="none"))
    assert by_category["problems"] == [] and by_category["interference"]["here"]["is_fit"]


def test_where_nothing_was_learned_a_category_is_taken_for_substitutes_and_warned_of():
    make_shop()
    found = plan(make_draft())
    assert found["interference"]["source"] == "same_category"
    assert found["problems"] == []
    assert any("No substitutes were learned" in words for words in found["warnings"])


def test_learned_pairs_that_matter_little_are_fit(monkeypatch, settings):
    listings = make_shop()
    learned(monkeypatch, settings, [(listings[0].pk, listings[1].pk, 0.1)])
    found = plan(make_draft())
    assert found["interference"]["here"]["is_fit"] and found["problems"] == []


def test_too_few_units_are_a_problem():
    make_shop(categories=1, products=2)
    assert plan(make_draft())["problems"][0] == (
        "Arm control has 1 listings: 2 are the least from which an error can be told."
    )


def test_categories_fewer_than_arms_are_a_problem():
    make_shop(categories=1)
    found = plan(make_draft(design="category", matching="none"))
    assert found["problems"] == ["clusters: got 1 for 2 arms; give at least one for each arm."]


def test_without_sales_by_day_the_power_is_not_known():
    make_shop()
    DailySales.objects.all().delete()
    found = plan(make_draft())
    assert found["precision"]["unknown"] == "The channel has no sales by day: import them first."
    assert found["problems"] == []


def test_prices_above_the_approval_policy_are_counted():
    make_shop()
    ApprovalPolicy.objects.create(max_change=Decimal("0.01"))
    found = plan(make_draft())
    assert found["for_second_person"] == 24 and found["problems"] == []


def test_more_looks_cost_more():
    make_shop()
    costs = {
        method: plan(make_draft(method.replace("_", "-"), method=method))["precision"]["looks_cost"]
        for method in ("fixed", "spending", "always_valid")
    }
    assert costs["fixed"] == 1 < costs["spending"] < 1.1 < costs["always_valid"]


def test_three_arms_are_drawn_in_triples():
    make_shop()
    arms = [
        {"name": "control", "share": 3_334},
        {"name": "cheaper", "share": 3_333, "price_change": Decimal("-0.05")},
        {"name": "dearer", "share": 3_333, "price_change": Decimal("0.05")},
    ]
    assert [arm["listings"] for arm in plan(make_draft(arms=arms))["arms"]] == [8, 8, 8]


@pytest.mark.parametrize("method", ["fixed", "spending", "always_valid"])
def test_of_several_arms_each_is_planned_at_its_part_of_alpha_as_it_is_read(method):
    make_shop()
    arms = [
        {"name": "control", "share": 3_334},
        {"name": "cheaper", "share": 3_333, "price_change": Decimal("-0.05")},
        {"name": "dearer", "share": 3_333, "price_change": Decimal("0.05")},
    ]
    draft = make_draft(arms=arms, method=method, alpha=Decimal("0.1"))
    found = plan(draft)["precision"]
    rows = list(draft.arms.order_by("position"))
    read_at = replace(analysis_plan(draft, rows, "profit", []), comparisons=2).level
    assert read_at == 0.05
    draw = draw_units(experiment=draft, arms=rows, now=timezone.now(), is_preview=True)
    error, _ = foresee._error(draft, rows, draw)
    asked = Question(0.05, read_at, 0.8, found["looks_cost"])
    assert found["power"] == pytest.approx(precision(error, asked, 28).power, abs=1e-4)
    assert found["detectable_effect"] == pytest.approx(precision(error, asked, 28).detectable_effect, abs=1e-4)
    assert found["looks_cost"] == plan(make_draft("two", method=method))["precision"]["looks_cost"]


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"arms": ARMS[:1]}, "arms", "Give two or more"),
        ({"arms": (ARMS[0], {**ARMS[1], "share": 4_000})}, "arms", "sum to 9,000 basis points"),
        ({"arms": (ARMS[1], ARMS[0])}, "arms", "first one is the control"),
        ({"arms": (ARMS[0], {**ARMS[1], "price_change": 0})}, "arms", "changes no price"),
        ({"arms": (ARMS[0], {**ARMS[1], "name": "control"})}, "arms", "exists"),
        ({"horizon_days": None, "method": "spending"}, "__all__", "need a horizon"),
        ({"minimum_effect": Decimal(0)}, "__all__", "must be above 0"),
        ({"design": "visitor"}, "__all__", "must be disclosed"),
        ({"guardrails": [{"metric": "cost", "tolerated_loss": Decimal("0.1")}]}, "guardrails", "not a valid choice"),
    ],
)
def test_a_faulty_draft_is_refused_whole(changed, field, words):
    with pytest.raises(ValidationError, match=words) as refused:
        make_draft(**changed)
    assert field in refused.value.message_dict


def test_listings_of_one_category_only():
    make_shop()
    make_listing("ELSEWHERE")
    found = plan(make_draft(category=Category.objects.get(code="c1")))
    assert found["listings"] == 6


def test_without_a_horizon_an_experiment_is_always_valid_unless_it_says_otherwise():
    assert make_draft("planned").method == "spending"
    assert make_draft("open", horizon_days=None).method == "always_valid"
    assert make_draft("prior", horizon_days=None, method="bayesian").method == "bayesian"
