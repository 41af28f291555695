from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails
from catalog.models import Category, GuardrailPolicy, Listing, PriceChange
from optimizer.assumptions import Assumptions, CostChange, InvalidAssumptions
from optimizer.engine import PricingInputs, resolve_device
from optimizer.engine.revenue_change import revenue_change_sd
from optimizer.models import Recommendation
from optimizer.replay import replay_price
from optimizer.services.open_simulation import open_simulation
from tests.factories import make_channel, make_listing
from tests.optimizer.factories import make_fit
from tests.optimizer.simulations import computed

pytestmark = pytest.mark.django_db


def prices(simulation) -> dict[int, Decimal | None]:
    return dict(Recommendation.objects.filter(run=simulation.run).values_list("listing", "price"))


def explanation(simulation, listing) -> dict:
    return Recommendation.objects.get(run=simulation.run, listing=listing).explanation


def test_a_simulation_prices_under_its_assumptions_and_changes_nothing_live():
    listing = make_listing()
    plain = computed(listing)
    tight = computed(listing, guardrails={"max_change": Decimal("0.05")})
    assert prices(plain) == {listing.pk: Decimal("12.00")} and prices(tight) == {listing.pk: Decimal("10.50")}
    assert not PriceChange.objects.exists()
    listing.refresh_from_db()
    assert (listing.price, listing.unit_cost) == (None, Decimal("6.00"))
    assert tight.run.status == "held" and tight.state == "computed"


def test_the_explanation_names_the_assumptions_and_replays():
    listing = make_listing()
    simulation = computed(
        listing, guardrails={"min_margin": Decimal("0.45")}, cost_changes=(CostChange(Decimal("0.10")),)
    )
    stored = explanation(simulation, listing)
    assert stored["what_if"]["simulation"] == "dearer" and stored["what_if"]["guardrails"] == {"min_margin": "0.45"}
    assert (stored["what_if"]["cost_change"], stored["what_if"]["real_unit_cost"]) == ("0.1", "6")
    assert stored["inputs"]["unit_cost"]["value"] == "6.6"
    assert stored["guardrails"]["min_margin_bp"] == {"value": 4500, "scope": "what-if"}
    assert replay_price(stored["replay"]).confirmed


def test_a_trial_limit_takes_the_place_of_the_policies():
    listing = make_listing()
    GuardrailPolicy.objects.create(channel=listing.channel, max_change=Decimal("0.01"))
    assert prices(computed(listing)) == {listing.pk: Decimal("10.10")}
    assert prices(computed(listing, guardrails={"max_change": Decimal("0.15")})) == {listing.pk: Decimal("11.50")}


def test_costs_change_by_category_or_for_all():
    mugs, bags = (Category.objects.create(code=code, name=code) for code in ("mugs", "bags"))
    mug, bag, other = make_listing(category=mugs), make_listing(category=bags), make_listing()
    changes = (CostChange(Decimal("0.10")), CostChange(Decimal("-0.50"), "mugs"))
    simulation = computed(mug, bag, other, cost_changes=changes)
    costs = [explanation(simulation, each)["inputs"]["unit_cost"]["value"] for each in (mug, bag, other)]
    assert costs == ["3", "6.6", "6.6"]
    assert set(Listing.objects.values_list("unit_cost", flat=True)) == {Decimal("6.00")}


def test_a_simulation_keeps_to_the_products_it_was_given():
    mugs = Category.objects.create(code="mugs", name="Mugs")
    mug, named, other = make_listing(category=mugs), make_listing(), make_listing()
    make_listing(is_active=False, category=mugs)
    simulation = computed(mug, named, other, categories=("mugs",), skus=(named.product.sku,))
    assert set(prices(simulation)) == {mug.pk, named.pk}
    assert simulation.run.guard_numbers["listings"] == 2


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"guardrails": {"min_margin": Decimal("0.96")}}, "guardrails.min_margin"),
        ({"guardrails": {"floor": Decimal("1")}}, "guardrails.floor"),
        ({"guardrails": {"max_change": Decimal("NaN")}}, "guardrails.max_change"),
        ({"guardrails": {"competitor_min": Decimal("0.1"), "competitor_max": Decimal("0")}}, "competitor_max"),
        ({"guardrails": {"max_change": Decimal("0.00001")}}, "4 decimals"),
        ({"cost_changes": (CostChange(Decimal("-1")),)}, "cost_changes.0.change"),
        ({"cost_changes": (CostChange(Decimal("0.1")), CostChange(Decimal("0.2")))}, "cost_changes: 'all products'"),
        ({"skus": ("A", "A")}, "skus: 'A' is there twice"),
        ({"skus": tuple(map(str, range(10_001)))}, "skus: 10001 are too many"),
    ],
)
def test_an_assumption_that_cannot_be_used_names_its_field(fields, path):
    with pytest.raises(InvalidAssumptions, match=path):
        Assumptions(**fields)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": " "}, "name"),
        ({"assumptions": Assumptions(skus=("NOSUCH",))}, "skus: not sold in channel 'web': NOSUCH"),
        ({"assumptions": Assumptions(categories=("nosuch",))}, "categories: no such category: nosuch"),
        ({"assumptions": Assumptions(categories=("empty",))}, "categories: channel 'web' sells no product"),
        (
            {"assumptions": Assumptions(cost_changes=(CostChange(Decimal("0.1"), "nosuch"),))},
            "cost_changes: no such category: nosuch",
        ),
    ],
)
def test_what_the_channel_does_not_have_is_refused(fields, path):
    listing = make_listing()
    Category.objects.create(code="empty", name="Empty")
    make_fit(listing.channel, [listing])
    defaults = {"name": "x", "assumptions": Assumptions(), "objective": "profit", "now": timezone.now()}
    with pytest.raises(InvalidAssumptions, match=path):
        open_simulation(channel=make_channel(), **defaults | fields)


def test_assumptions_survive_being_stored():
    assumptions = Assumptions(
        guardrails={"min_margin": Decimal("0.20")},
        cost_changes=(CostChange(Decimal("0.05"), "mugs"), CostChange(Decimal("0.01"))),
        categories=("mugs",),
        skus=("85123A",),
    )
    assert Assumptions.from_dict(assumptions.as_dict()) == assumptions
    assert Assumptions.from_dict({}) == Assumptions() and Assumptions().as_dict() == {}


def test_the_same_key_is_the_same_simulation():
    listing = make_listing()
    first = computed(listing, key="monday")
    assert computed(listing, key="monday").pk == first.pk


def test_the_effect_adds_up():
    listings = [make_listing(unit_cost=Decimal(cost)) for cost in ("4.00", "6.00", "9.00")]
    simulation = computed(*listings, make_listing(unit_cost=None))
    rows = Recommendation.objects.filter(run=simulation.run, price__isnull=False)
    effect, numbers = simulation.effect, simulation.run.guard_numbers
    assert sum(effect["binding_rules"].values()) == 3
    assert effect["revenue_change"] == pytest.approx(numbers["revenue_after"] - numbers["revenue_before"])
    low, high = effect["revenue_change_90_percent"]
    assert high - low == pytest.approx(2 * 1.645 * sum(row.revenue_change_sd**2 for row in rows) ** 0.5)
    counts, profits = zip(*effect["steps"], strict=True)
    assert sum(counts) == numbers["changed"] and sum(profits) == pytest.approx(numbers["profit_change"])


def test_the_spread_of_the_revenue_change_is_that_of_simulated_demand():
    rng = np.random.default_rng(7)
    size, mean, sd, demand_sd = 400_000, -2.0, 0.3, 0.2
    stock = np.array([MISSING, 45, 30])
    inputs = PricingInputs(
        current_ticks=np.full(3, 1000), cost_units=np.full(3, 60_000), demand=np.full(3, 40.0),
        elasticity_mean=np.full(3, mean), elasticity_sd=np.full(3, sd), log_demand_sd=np.full(3, demand_sd),
        inventory=stock, competitor_ticks=None, guardrails=GuardrailBatch.uniform(Guardrails(), 3),
    )  # fmt: skip
    found = revenue_change_sd(inputs, np.array([1100, 900, 1150]), resolve_device("cpu"))
    elasticity = rng.normal(mean, sd, size)
    base = 40.0 * np.exp(rng.normal(-(demand_sd**2) / 2, demand_sd, size))
    for index, price in enumerate((1100, 900, 1150)):
        limit = np.inf if stock[index] == MISSING else stock[index]
        after = price * np.minimum(base * (price / 1000) ** elasticity, limit)
        change = after - 1000 * np.minimum(base, limit)
        assert found[index] == pytest.approx(change.std(), rel=0.01)
    unpriced = revenue_change_sd(replace(inputs), np.full(3, MISSING), resolve_device("cpu"))
    assert np.isnan(unpriced).all()


def test_the_fingerprint_is_that_of_the_world_and_not_of_the_assumptions():
    listing = make_listing()
    first, second = computed(listing), computed(listing, guardrails={"max_change": Decimal("0.05")})
    assert first.fingerprint == second.fingerprint and len(first.fingerprint) == 64
    Listing.objects.update(unit_cost=Decimal("6.01"))
    assert computed(listing).fingerprint != first.fingerprint
