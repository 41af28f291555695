"""Joint prices from the engine equal the replay, which goes through all pairs of prices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails, Place, Rule
from optimizer.engine.joint import RelatedSkus, expectations_at, solve_related
from optimizer.engine.pricing_arrays import PricingInputs
from optimizer.engine.ticks import optimize_ticks
from optimizer.group_replay import replay_group


def sku(**changes):
    case = {
        "objective": "profit",
        "current_price_ticks": 100,
        "cost_units": 6_000,
        "demand": 20.0,
        "elasticity_mean": -2.0,
        "elasticity_sd": 0.0,
        "log_demand_sd": 0.0,
        "inventory": None,
        "competitor_price_ticks": None,
        "guardrails": {"min_margin_bp": None, "inventory_threshold": None},
    }
    return case | changes


def inputs_of(cases):
    def column(name, dtype=np.float64):
        missing = MISSING if dtype == np.int64 else np.nan
        return np.array([missing if case[name] is None else case[name] for case in cases], dtype=dtype)

    return PricingInputs(
        current_ticks=column("current_price_ticks", np.int64),
        cost_units=column("cost_units", np.int64),
        demand=column("demand"),
        elasticity_mean=column("elasticity_mean"),
        elasticity_sd=column("elasticity_sd"),
        log_demand_sd=column("log_demand_sd"),
        inventory=column("inventory", np.int64),
        guardrails=GuardrailBatch.from_rows([Guardrails.from_dict(case["guardrails"]) for case in cases]),
    )


def solved(rule, cases, places=None, held=()):
    """Return the joint decision of one group and, for each free member, its replay."""
    inputs = inputs_of(cases)
    alone = optimize_ticks(inputs, cases[0]["objective"], device="cpu").price_ticks.copy()
    alone[list(held)] = MISSING
    places = places or [Place(size=index + 1) for index in range(len(cases))]
    group = RelatedSkus(rule=rule, rows=range(len(cases)), places=places)
    decision = solve_related(inputs, cases[0]["objective"], alone=alone, groups=[group])
    members = [
        case
        | {"price_ticks": int(decision.price[row]), "held": bool(alone[row] == MISSING)}
        | {"size": place.size, "step_ticks": place.step_ticks, "step_bp": place.step_bp}
        for row, (case, place) in enumerate(zip(cases, places, strict=True))
    ]
    recorded = {"kind": rule.label, "members": members}
    replays = [
        replay_group(each | {"group": recorded | {"member": row}})
        for row, each in enumerate(members)
        if not each["held"]
    ]
    return decision, replays, alone


any_member = st.fixed_dictionaries(
    {
        "current_price_ticks": st.integers(20, 60),
        "cost_units": st.integers(500, 5_000),
        "demand": st.floats(0.1, 50),
        "elasticity_mean": st.floats(-5, -0.5),
        "elasticity_sd": st.sampled_from([0.0, 0.3]),
        "inventory": st.none() | st.integers(0, 60),
        "guardrails": st.fixed_dictionaries(
            {
                "min_margin_bp": st.none() | st.integers(0, 3000),
                "max_change_bp": st.integers(0, 4000),
                "inventory_threshold": st.none() | st.integers(0, 30),
                "ceiling": st.none() | st.integers(20, 70),
                "price_endings": st.sampled_from([(), ("9",), ("5", "9")]),
            }
        ),
    }
)


@pytest.mark.parametrize("rule", [Rule.FAMILY, Rule.SIZE_LADDER, Rule.QUALITY_LADDER])
@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    members=st.lists(any_member, min_size=2, max_size=4),
    objective=st.sampled_from(["profit", "revenue", "market_share"]),
    held=st.sets(st.integers(0, 3), max_size=1),
    steps=st.lists(st.integers(0, 4), min_size=4, max_size=4),
)
def test_joint_prices_are_confirmed_by_the_replay(rule, members, objective, held, steps):
    cases = [sku(**member) | {"objective": objective} for member in members]
    places = [Place(size=2 * row + 1, step_ticks=steps[row]) for row in range(len(cases))]
    _, replays, _ = solved(rule, cases, places, held={row for row in held if row < len(cases)})
    assert all(each.confirmed for each in replays), (cases, replays)


def test_a_family_takes_the_price_that_is_best_for_all():
    decision, replays, alone = solved(Rule.FAMILY, [sku(), sku(cost_units=5_000, elasticity_mean=-3.0)])
    assert alone[0] > alone[1]
    assert alone[1] < decision.price[0] == decision.price[1] < alone[0]
    assert decision.shortfalls == [[0]] and all(each.confirmed for each in replays)


def test_a_family_without_a_common_price_lets_soft_rules_yield_and_names_them():
    far = sku(current_price_ticks=200, cost_units=6_000)
    decision, replays, _ = solved(Rule.FAMILY, [sku(), far])
    assert decision.price[0] == decision.price[1] and set(decision.yielded.values()) == {Rule.MAX_CHANGE}
    assert all(each.confirmed for each in replays)


def test_hard_rules_win_over_a_family():
    dear = sku(current_price_ticks=200, cost_units=19_000)
    capped = sku(guardrails={"ceiling": 110, "min_margin_bp": None})
    decision, replays, _ = solved(Rule.FAMILY, [capped, dear])
    assert decision.price[0] <= 110 and decision.price[1] >= 190
    assert decision.shortfalls[0][0] > 0 and all(each.confirmed for each in replays)


def test_a_ladder_that_the_bands_do_not_allow_gets_as_near_as_they_do():
    decision, _, _ = solved(Rule.QUALITY_LADDER, [sku(current_price_ticks=200), sku(current_price_ticks=100)])
    assert decision.price.tolist() == [160, 120] and decision.shortfalls == [[41]]


def test_a_sku_in_two_groups_keeps_its_familys_price():
    cases = [sku(), sku(elasticity_mean=-3.0), sku(current_price_ticks=210, cost_units=12_000)]
    inputs = inputs_of(cases)
    alone = optimize_ticks(inputs, "profit", device="cpu").price_ticks
    family = RelatedSkus(rule=Rule.FAMILY, rows=[0, 1], places=[Place(), Place()])
    sizes = RelatedSkus(rule=Rule.SIZE_LADDER, rows=[1, 2], places=[Place(size=1), Place(size=2)])
    decision = solve_related(inputs, "profit", alone=alone, groups=[sizes, family])
    assert decision.price[0] == decision.price[1] and decision.shortfalls == [[0], [0]]
    assert decision.price[2] <= 2 * decision.price[1]


def test_expectations_at_the_price_alone_are_the_optimisers():
    inputs = inputs_of([sku(elasticity_sd=0.2), sku(inventory=5)])
    result = optimize_ticks(inputs, device="cpu")
    columns = expectations_at(inputs, result.price_ticks)
    for name in ("expected_demand", "expected_profit", "profit_low", "probability_better"):
        assert columns[name].tolist() == getattr(result, name).tolist()
