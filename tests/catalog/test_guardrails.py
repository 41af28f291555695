"""Guardrails: the limits, their precedence, the clamp trail and the gate's check."""

import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.guardrails import (
    MISSING,
    STEP_RULES,
    UNBOUNDED,
    EndingTable,
    GuardrailBatch,
    Guardrails,
    PriceFacts,
    Rule,
    admissible_prices,
    band_of,
    clamp_batch,
    clamp_price,
    resolve_guardrails,
    step_violations_batch,
    violations,
    violations_batch,
)

FREE = Guardrails(min_margin_bp=None, max_change_bp=None, inventory_threshold=None)


def maybe(strategy):
    return st.none() | strategy


@st.composite
def any_guardrails(draw):
    return Guardrails(
        min_margin_bp=draw(maybe(st.integers(0, 6000))),
        max_change_bp=draw(maybe(st.integers(0, 5000))),
        inventory_threshold=draw(maybe(st.integers(0, 60))),
        floor=draw(maybe(st.integers(1, 400))),
        ceiling=draw(maybe(st.integers(1, 400))),
        map_price=draw(maybe(st.integers(1, 400))),
        competitor_min_bp=draw(maybe(st.integers(-5000, 3000))),
        competitor_max_bp=draw(maybe(st.integers(-3000, 5000))),
        max_change_per_day_bp=draw(maybe(st.integers(0, 5000))),
        max_changes_per_day=draw(maybe(st.integers(0, 3))),
        price_endings=draw(st.sampled_from([(), ("9",), ("5", "9"), ("49", "99"), ("00",), ("95", "9")])),
    )


any_facts = st.fixed_dictionaries(
    {
        "cost_units": st.integers(1, 30_000),
        "current_ticks": maybe(st.integers(1, 400)),
        "stock": maybe(st.integers(0, 100)),
        "competitor_ticks": maybe(st.integers(1, 400)),
        "day_start_ticks": maybe(st.integers(1, 400)),
        "changes_today": maybe(st.integers(0, 4)),
    }
)


def reference_intervals(
    rails, *, cost_units, current_ticks, stock, competitor_ticks, day_start_ticks=None, changes_today=None
):
    """State each rule in rational numbers, strongest first: the independent reference."""
    cost, top = Fraction(cost_units, 100), Fraction(UNBOUNDED)
    yield cost, top
    yield cost / (1 - Fraction(rails.min_margin_bp or 0, 10_000)), top
    yield Fraction(rails.map_price or 0), top
    yield Fraction(rails.floor or 0), top
    yield Fraction(0), Fraction(rails.ceiling or UNBOUNDED)
    counted = None not in (current_ticks, changes_today, rails.max_changes_per_day)
    if counted and changes_today >= rails.max_changes_per_day:
        yield Fraction(current_ticks), Fraction(current_ticks)
    if current_ticks is not None and rails.max_change_bp is not None:
        change = Fraction(rails.max_change_bp, 10_000)
        yield current_ticks * (1 - change), current_ticks * (1 + change)
    if day_start_ticks is not None and rails.max_change_per_day_bp is not None:
        change = Fraction(rails.max_change_per_day_bp, 10_000)
        yield day_start_ticks * (1 - change), day_start_ticks * (1 + change)
    if None not in (current_ticks, stock, rails.inventory_threshold) and stock < rails.inventory_threshold:
        yield Fraction(current_ticks), top
    if competitor_ticks is not None:
        low, high = rails.competitor_min_bp, rails.competitor_max_bp
        yield (
            Fraction(0) if low is None else competitor_ticks * (1 + Fraction(low, 10_000)),
            top if high is None else competitor_ticks * (1 + Fraction(high, 10_000)),
        )


def reference_band(rails, **facts):
    lower, upper = 0, UNBOUNDED
    for low, high in reference_intervals(rails, **facts):
        whole_low, whole_high = -((-low.numerator) // low.denominator), high.numerator // high.denominator
        lower = max(lower, min(whole_low, upper))
        upper = min(upper, max(whole_high, lower))
    return lower, upper


def test_a_candidate_inside_the_band_stands():
    clamped = clamp_price(1050, Guardrails(), cost_units=50_000, current_ticks=1000, stock=500)
    assert (clamped.price, clamped.rule, clamped.trail) == (1050, Rule.OWN_OPTIMUM, [])


def test_default_limits_are_those_of_the_pricing_rules():
    band = band_of(Guardrails(), cost_units=50_000, current_ticks=1000, stock=500)
    assert (band.lower, band.upper) == (800, 1200)
    assert (band.lower_rule, band.upper_rule) == (Rule.MAX_CHANGE, Rule.MAX_CHANGE)


def test_minimum_margin_is_exact_at_the_boundary():
    assert band_of(Guardrails(max_change_bp=None), cost_units=85_00, current_ticks=None).lower == 100
    assert band_of(Guardrails(max_change_bp=None), cost_units=85_01, current_ticks=None).lower == 101


def test_the_loss_floor_wins_over_a_ceiling_below_cost():
    rails = Guardrails(min_margin_bp=0, ceiling=90)
    clamped = clamp_price(80, rails, cost_units=99_50, current_ticks=80)
    assert (clamped.price, clamped.rule) == (100, Rule.LOSS_FLOOR)
    assert clamped.trail == [("loss_floor", 80, 100)]


@pytest.mark.parametrize(
    ("limits", "rule"),
    [({"floor": 700}, Rule.FLOOR), ({"map_price": 700}, Rule.MAP), ({"min_margin_bp": 9000}, Rule.MIN_MARGIN)],
)
def test_a_hard_floor_wins_over_the_maximum_change(limits, rule):
    clamped = clamp_price(500, Guardrails(**limits), cost_units=70_00, current_ticks=500, stock=500)
    assert (clamped.price, clamped.rule) == (700, rule)


def test_a_day_limits_the_sum_of_its_steps():
    rails = Guardrails(max_change_per_day_bp=2500)
    clamped = clamp_price(1500, rails, cost_units=50_000, current_ticks=1200, day_start_ticks=1000, stock=500)
    assert (clamped.price, clamped.rule) == (1250, Rule.MAX_CHANGE_PER_DAY)
    assert clamped.trail == [("max_change_per_day", 1500, 1250)]


def test_one_step_wins_over_a_day_that_was_left_by_a_person():
    rails = Guardrails(max_change_per_day_bp=1000)
    clamped = clamp_price(1000, rails, cost_units=50_000, current_ticks=2000, day_start_ticks=1000, stock=500)
    assert (clamped.price, clamped.rule) == (1600, Rule.MAX_CHANGE)


def test_used_up_changes_hold_the_price_in_force():
    rails = Guardrails(max_changes_per_day=2, price_endings=("99",))
    facts = {"cost_units": 50_000, "current_ticks": 1003, "stock": 500}
    held = clamp_price(1100, rails, changes_today=2, **facts)
    assert (held.price, held.rule.label) == (1003, "changes_per_day")
    assert clamp_price(1100, rails, changes_today=1, **facts).price == 1099
    assert clamp_price(1100, rails, **facts).price == 1099  # not known: the rule does not apply


def test_a_cost_that_rose_moves_a_price_whose_changes_are_used_up():
    rails = Guardrails(max_changes_per_day=0)
    clamped = clamp_price(1000, rails, cost_units=85_000 * 2, current_ticks=1000, changes_today=0)
    assert (clamped.price, clamped.rule) == (2000, Rule.MIN_MARGIN)


@settings(max_examples=600, deadline=None)
@given(any_guardrails(), any_facts, st.integers(1, 600))
def test_the_gates_steps_are_broken_by_what_lies_outside_their_part_of_the_band(rails, facts, price):
    facts = facts | {"stock": None, "competitor_ticks": None}
    broken = step_violations_batch(np.array([price]), GuardrailBatch.from_rows([rails]), PriceFacts.single(**facts))
    lower, upper = reference_band(rails, **facts)
    assert any(mask[0] for mask in broken.values()) == (not lower <= price <= upper)
    assert tuple(broken) == STEP_RULES


def test_low_stock_holds_the_price_up():
    clamped = clamp_price(900, Guardrails(), cost_units=50_000, current_ticks=1000, stock=49)
    assert (clamped.price, clamped.rule) == (1000, Rule.LOW_STOCK)
    assert clamp_price(900, Guardrails(), cost_units=50_000, current_ticks=1000, stock=50).price == 900


def test_the_trail_names_every_clamp_in_order_and_is_json():
    rails = Guardrails(competitor_max_bp=0, max_change_bp=1000, ceiling=1080, price_endings=("99",))
    clamped = clamp_price(2000, rails, cost_units=50_000, current_ticks=1000, stock=500, competitor_ticks=1500)
    assert clamped.trail == [
        ("competitor", 2000, 1500),
        ("max_change", 1500, 1100),
        ("ceiling", 1100, 1080),
        ("price_ending", 1080, 999),
    ]
    assert json.loads(json.dumps(clamped.trail)) == [list(step) for step in clamped.trail]


def test_an_ending_never_breaks_a_floor_or_a_ceiling():
    rails = Guardrails(floor=1000, ceiling=1050, price_endings=("99",))
    clamped = clamp_price(1049, rails, cost_units=50_000, current_ticks=1000, stock=500)
    assert (clamped.price, clamped.trail) == (1049, [])


def test_of_two_endings_equally_near_the_lower_is_taken():
    rails = Guardrails(price_endings=("40", "50"))
    assert clamp_price(1045, rails, cost_units=50_000, current_ticks=1000, stock=500).price == 1040


@pytest.mark.parametrize("cost", [None, 0, -5])
def test_a_missing_cost_is_not_a_cost_of_zero(cost):
    clamped = clamp_price(1000, Guardrails(), cost_units=cost, current_ticks=1000)
    assert (clamped.price, clamped.rule, clamped.unpriced_reason) == (None, Rule.UNPRICED, "missing_cost")
    assert clamped.trail == []
    assert band_of(Guardrails(), cost_units=cost, current_ticks=1000) is None


def test_a_missing_candidate_is_not_priced():
    clamped = clamp_price(None, Guardrails(), cost_units=100, current_ticks=1000)
    assert (clamped.price, clamped.unpriced_reason) == (None, "missing_candidate")


def test_without_a_price_in_force_the_maximum_change_does_not_apply():
    band = band_of(Guardrails(), cost_units=85_00, current_ticks=None, stock=3)
    assert (band.lower, band.upper, band.upper_rule) == (100, UNBOUNDED, Rule.OWN_OPTIMUM)


@settings(max_examples=600, deadline=None)
@given(any_guardrails(), any_facts)
def test_the_band_equals_the_rational_reference(rails, facts):
    band = band_of(rails, **facts)
    assert (band.lower, band.upper) == reference_band(rails, **facts)
    assert band.lower <= band.upper


@settings(max_examples=600, deadline=None)
@given(any_guardrails(), any_facts, st.integers(-5, 600))
def test_a_clamped_price_is_the_nearest_admissible_and_its_trail_adds_up(rails, facts, candidate):
    clamped = clamp_price(candidate, rails, **facts)
    band = band_of(rails, **facts)
    inside = min(max(candidate, band.lower), band.upper)
    if band.upper < UNBOUNDED:
        nearest = min(admissible_prices(band, rails.price_endings), key=lambda ticks: (abs(ticks - inside), ticks))
        assert clamped.price == nearest
    steps = [(candidate, candidate), *[(before, after) for _, before, after in clamped.trail]]
    assert all(left[1] == right[0] for left, right in pairwise(steps))
    assert steps[-1][1] == clamped.price
    assert clamped.rule.label == (clamped.trail[-1][0] if clamped.trail else "own_optimum")
    assert violations(clamped.price, rails, cost_units=facts["cost_units"]) == ()
    assert clamp_price(clamped.price, rails, **facts).price == clamped.price


@settings(max_examples=300, deadline=None)
@given(any_guardrails(), any_facts, st.integers(1, 600))
def test_the_binding_rule_is_the_rule_of_that_end_of_the_band(rails, facts, candidate):
    clamped = clamp_price(candidate, rails, **facts)
    band = band_of(rails, **facts)
    before_ending = [step for step in clamped.trail if step[0] != "price_ending"]
    if band.lower == band.upper:
        return  # several rules may meet in one tick; each is a true name
    if candidate < band.lower:
        assert before_ending[-1][0] == band.lower_rule.label
    elif candidate > band.upper:
        assert before_ending[-1][0] == band.upper_rule.label


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(any_guardrails(), any_facts, maybe(st.integers(1, 600))), min_size=1, max_size=8))
def test_a_batch_equals_its_rows_one_by_one(rows):
    limits = GuardrailBatch.from_rows([rails for rails, _, _ in rows])
    assert [limits.row(i) for i in range(len(rows))] == [rails for rails, _, _ in rows]
    column = {name: [facts[name] for _, facts, _ in rows] for name in rows[0][1]}
    facts = PriceFacts(**{name: np.array([MISSING if v is None else v for v in c]) for name, c in column.items()})
    candidates = np.array([MISSING if candidate is None else candidate for _, _, candidate in rows])
    batch = clamp_batch(candidates, limits, facts)
    for index, (rails, each, candidate) in enumerate(rows):
        assert batch.row(index) == clamp_price(candidate, rails, **each)


@settings(max_examples=500, deadline=None)
@given(any_guardrails(), any_facts, st.integers(1, 600))
def test_violations_name_each_broken_hard_rule(rails, facts, price):
    cost = Fraction(facts["cost_units"], 100)
    least = max(cost, rails.floor or 0, rails.map_price or 0, cost / (1 - Fraction(rails.min_margin_bp or 0, 10_000)))
    expected = {
        Rule.LOSS_FLOOR: price < cost,
        Rule.MIN_MARGIN: Fraction(price - cost, price) < Fraction(rails.min_margin_bp or 0, 10_000),
        Rule.MAP: price < (rails.map_price or 0),
        Rule.FLOOR: price < (rails.floor or 0),
        Rule.CEILING: price > max(rails.ceiling or UNBOUNDED, -(-least.numerator // least.denominator)),
    }
    if not rails.min_margin_bp:
        expected[Rule.MIN_MARGIN] = False
    named = violations(price, rails, cost_units=facts["cost_units"])
    assert named == tuple(rule for rule, broken in expected.items() if broken)


def test_a_sku_without_cost_may_not_be_published():
    assert violations(1000, Guardrails(), cost_units=None) == (Rule.UNPRICED,)
    limits = GuardrailBatch.uniform(Guardrails(), 2)
    nothing = np.array([MISSING, MISSING])
    facts = PriceFacts(cost_units=np.array([100, 0]), current_ticks=nothing, stock=nothing, competitor_ticks=nothing)
    assert violations_batch(np.array([10, 10]), limits, facts)[Rule.UNPRICED].tolist() == [False, True]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([(), ("9",), ("5", "9"), ("49", "99"), ("000", "5")]), st.integers(0, 3000))
def test_the_ending_table_equals_a_search(endings, ticks):
    def allowed(price):
        return not endings or str(price).zfill(4).endswith(endings)

    table = EndingTable.build([(), ("999",), endings])
    assert table.at_or_above(np.array([ticks]), np.array([2]))[0] == next(p for p in range(ticks, 9999) if allowed(p))
    below = next((p for p in range(ticks, -1, -1) if allowed(p)), None)
    found = table.at_or_below(np.array([ticks]), np.array([2]))[0]
    assert found == below if below is not None else found < 0


def test_the_narrowest_layer_wins_and_is_named():
    resolved = resolve_guardrails(
        [
            ("global", {"min_margin_bp": 1000, "price_endings": ("9",)}),
            ("category", {"min_margin_bp": 2000, "floor": 500}),
            ("product", {"min_margin_bp": None, "price_endings": ()}),
            ("channel", {"ceiling": 900}),
        ]
    )
    assert resolved.guardrails == Guardrails(min_margin_bp=2000, floor=500, ceiling=900, price_endings=())
    assert resolved.sources["min_margin_bp"] == "category"
    assert resolved.sources["price_endings"] == "product"
    assert resolved.sources["ceiling"] == "channel"
    assert resolved.sources["max_change_bp"] == "default"


def test_guardrails_survive_json():
    rails = Guardrails(floor=100, competitor_min_bp=-500, price_endings=("99",))
    assert Guardrails.from_dict(json.loads(json.dumps(rails.as_dict()))) == rails


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"min_margin_bp": 10_000}, "min_margin_bp"),
        ({"floor": 0}, "floor"),
        ({"price_endings": (".99",)}, "price_endings"),
        ({"max_change_bp": 0.2}, "max_change_bp"),
        ({"margin": 3}, "unknown guardrail 'margin'"),
    ],
)
def test_a_limit_outside_its_domain_is_refused_by_name(limits, named):
    with pytest.raises(ValueError, match=named):
        Guardrails.from_dict(limits)


def test_brute_force_needs_an_upper_limit():
    with pytest.raises(ValueError, match="no upper limit"):
        next(admissible_prices(band_of(FREE, cost_units=100, current_ticks=None)))


def test_web_processes_load_guardrails_without_torch_or_scipy():
    code = "import catalog.guardrails, sys; sys.exit(bool({'torch', 'scipy', 'django'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
