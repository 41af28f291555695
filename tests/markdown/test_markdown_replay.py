import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.markdown import UNLIMITED, solve_markdowns
from optimizer.markdown_replay import markdown_steps, replay_markdown
from tests.markdown.cases import a_problem

LADDER = [1000.0, 900.0, 800.0, 700.0]


def recorded(problem, price=None):
    """What would be stored of a plan, through JSON and back."""
    fields = {
        name: getattr(problem, name)[0].tolist()
        for name in problem.__slots__
        if name not in {"max_changes", "max_step"}
    }
    fields["max_changes"] = None if problem.max_changes[0] == UNLIMITED else int(problem.max_changes[0])
    fields["max_step"] = None if np.isinf(problem.max_step[0]) else float(problem.max_step[0])
    return json.loads(json.dumps({"markdown": fields, "price_ticks": price}))


def solved(problem):
    policy = solve_markdowns(problem)
    return int(problem.ladder[0, policy.first[0]]), policy.value[0]


@settings(max_examples=60, deadline=None)
@given(
    stock=st.integers(0, 60), periods=st.integers(1, 6), current=st.sampled_from([*LADDER, 950.0, 1200.0, 650.0]),
    demand=st.floats(0.05, 12), elasticity=st.floats(-5, 1), elasticity_sd=st.sampled_from([0.0, 0.4]),
    log_demand_sd=st.sampled_from([0.0, 0.3]), salvage=st.floats(0, 900), penalty=st.floats(0, 500),
    target=st.integers(0, 20), only_down=st.booleans(), max_changes=st.integers(-1, 4),
    max_step=st.sampled_from([np.inf, 0.12, 0.25]),
)  # fmt: skip
def test_any_plan_replays_to_its_price_and_value(elasticity, **fields):
    problem = a_problem(elasticity_mean=elasticity, **fields)
    price, value = solved(problem)
    replay = replay_markdown(recorded(problem, price))
    assert replay.confirmed
    assert replay.score == pytest.approx(value, rel=1e-8, abs=1e-5)


@pytest.mark.parametrize("stock", [128, 400, 3_000])
def test_a_stock_that_is_counted_in_cells_replays_too(stock):
    problem = a_problem(
        stock=stock, periods=6, demand=stock / 8, elasticity_sd=0.3, log_demand_sd=0.2, salvage=200.0, penalty=100.0,
        only_down=True, max_step=0.2, max_changes=3,
    )  # fmt: skip
    price, value = solved(problem)
    replay = replay_markdown(recorded(problem, price))
    assert (replay.price_ticks, replay.confirmed) == (price, True)
    assert replay.score == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(
    "change", [{"stock": 4}, {"demand": 30.0}, {"salvage": 950.0}, {"ladder": [1000.0, 900.0]}, {"max_changes": 0}]
)
def test_inputs_that_were_tampered_with_give_another_price(change):
    problem = a_problem(stock=30, periods=4, demand=3.0, penalty=400.0, only_down=True)
    price, _ = solved(problem)
    assert price == 700
    stored = recorded(problem, price)
    assert replay_markdown(stored).confirmed
    stored["markdown"] |= change
    assert not replay_markdown(stored).confirmed


def test_a_missing_input_is_named_and_the_cost_of_a_replay_known():
    stored = recorded(a_problem(periods=4, max_changes=2))
    assert markdown_steps(stored) == 4 * 4**2 * 3
    del stored["markdown"]["salvage"]
    with pytest.raises(ValueError, match="no 'salvage'"):
        replay_markdown(stored)
