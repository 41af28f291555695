import numpy as np
import pytest

from optimizer.engine.horizon import ProblemRanges, draw_problems
from optimizer.engine.horizon.ladder import Ladder
from tests.engine.horizon.cases import a_problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("periods", 0), ("periods", 401), ("stock", 0), ("stock", 1001), ("unit_cost", 0.0), ("salvage", -1.0),
        ("salvage", 6.1), ("shortage_cost", np.nan), ("start_price", 8.0), ("start_price", np.nan), ("min_price", 5.9),
        ("max_price", 9.9e9), ("demand", 0.0), ("demand", 1e7), ("reference", np.inf), ("elasticity", np.nan),
        ("cross_elasticity", np.inf), ("season", 0.0), ("competitor", -1.0),
    ],
)  # fmt: skip
def test_a_value_outside_its_domain_is_named(field, value):
    with pytest.raises(ValueError, match=f"^{field}: row 0"):
        a_problem(**{field: value})


def test_tables_over_periods_are_as_wide_as_the_longest_horizon():
    columns = {name: getattr(a_problem(), name) for name in a_problem().__dataclass_fields__}
    with pytest.raises(ValueError, match=r"season: .*give \(1, 3\)"):
        type(a_problem())(**columns | {"season": np.ones((1, 2))})
    with pytest.raises(ValueError, match="periods: 2 rows for 1"):
        type(a_problem())(**columns | {"periods": np.array([3, 3])})


def test_drawn_problems_keep_their_ranges_and_differ_by_seed():
    ranges = ProblemRanges(elasticity=(-2.0, -1.5), periods=(5, 6))
    problem = draw_problems(500, np.random.default_rng(1), ranges)
    assert problem.elasticity.min() >= -2 and problem.elasticity.max() <= -1.5
    assert set(problem.periods) == {5, 6}
    assert (problem.min_price >= problem.unit_cost / 0.85 - 1e-9).all()
    other = draw_problems(500, np.random.default_rng(2), ranges)
    for field in ("elasticity", "unit_cost", "demand", "reference"):
        assert not set(getattr(problem, field)) & set(getattr(other, field))


def test_the_same_seed_draws_the_same_problems():
    one, two = (draw_problems(9, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one.stock, two.stock)
    np.testing.assert_array_equal(one.competitor, two.competitor)


def test_the_ladder_is_the_start_price_and_whole_steps_within_the_bounds():
    problem = a_problem(2, start_price=[10.0, 9.0], min_price=9.0, max_price=10.0 * np.exp(0.15))
    ladder = Ladder.of(problem)
    np.testing.assert_allclose(ladder.price[0, :6], 10 * np.exp(0.05 * np.arange(-2, 4)))
    assert list(ladder.start) == [2, 0] and list(ladder.rungs) == [6, 6]
    assert ladder.price.min() >= 9.0 and ladder.price.max() <= 10.0 * np.exp(0.15) * (1 + 1e-9)


def test_the_five_actions_are_about_five_and_ten_percent():
    change = np.exp(0.05 * np.arange(-2, 3)) - 1
    np.testing.assert_allclose(change, [-0.10, -0.05, 0, 0.05, 0.10], atol=0.0053)
