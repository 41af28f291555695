import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from experiments.stats.inference.boundaries import crossing_probabilities, spending_bounds
from experiments.stats.inference.classical import classical_constant
from experiments.stats.inference.futility import futility_bounds
from experiments.stats.inference.power import inflation_factor
from experiments.stats.inference.spending import SPENDING, spent


@pytest.mark.parametrize(
    ("family", "expected"),
    # As rpact prints for getDesignGroupSequential(kMax = 3, alpha = 0.025) with asOF and asP.
    [("obrien_fleming", (3.710, 2.511, 1.993)), ("pocock", (2.279, 2.295, 2.296))],
)
def test_spending_bounds_are_those_of_rpact(family, expected):
    bounds = spending_bounds([1 / 3, 2 / 3, 1], alpha=0.025, sides=1, family=family)
    assert bounds == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    # Jennison and Turnbull (2000), tables 2.1 and 2.3, alpha = 0.05 two-sided.
    [(1, 1.960, 1.960), (2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_classical_constants_are_those_of_the_tables(looks, pocock, obrien_fleming):
    assert classical_constant(looks, shape=0.5) == pytest.approx(pocock, abs=6e-4)
    assert classical_constant(looks) == pytest.approx(obrien_fleming, abs=6e-4)


def inside_at_three_looks(time, bounds, sides):
    """Integrate over the scores of two looks on one dense trapezoid grid, with the third in closed form."""
    scale, lower = np.sqrt(time), (-bounds if sides == 2 else np.full(3, -9.0))
    steps = np.sqrt(np.diff(time))
    ends = [
        (max(low, -9.0) * root, min(high, 9.0) * root) for low, high, root in zip(lower, bounds, scale, strict=True)
    ]
    first, second = (np.linspace(*pair, 2401) for pair in ends[:2])
    third = ndtr((ends[2][1] - second) / steps[1]) - ndtr((ends[2][0] - second) / steps[1])
    gap = (second[None, :] - first[:, None]) / steps[0]
    density = np.exp(-0.5 * (gap**2 + (first[:, None] / scale[0]) ** 2)) / (2 * np.pi * scale[0] * steps[0])
    return np.trapezoid(np.trapezoid(density * third, second, axis=1), first)


@pytest.mark.parametrize("family", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("time", [(0.3, 0.6, 1.0), (0.4, 0.41, 1.0), (0.2, 0.98, 1.0)])
def test_bounds_spend_what_an_independent_integration_says(family, sides, time):
    time = np.array(time)
    bounds = spending_bounds(time, family=family, sides=sides)
    assert 1 - inside_at_three_looks(time, bounds, sides) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("family", SPENDING)
def test_a_hundred_looks_spend_alpha_and_no_more(family):
    time = np.arange(1, 101) / 100
    above, below = crossing_probabilities(time, spending_bounds(time, family=family))
    assert above.sum() + below.sum() == pytest.approx(0.05, abs=1e-10)
    assert above.cumsum() == pytest.approx(spent(family, 0.025, time), abs=1e-10)


def test_only_shares_of_information_matter():
    days = np.array([3.0, 7.0, 10.0])
    assert spending_bounds(days * 1000, time=days / 10) == pytest.approx(spending_bounds(days / 10))


def test_spending_by_days_allows_for_information_that_grew_otherwise():
    information, time = np.array([0.1, 0.9, 1.0]), np.array([1 / 3, 2 / 3, 1.0])
    above, below = crossing_probabilities(information, spending_bounds(information, time=time))
    assert (above + below).cumsum() == pytest.approx(2 * spent("obrien_fleming", 0.025, time), abs=1e-10)


def test_a_look_with_next_to_nothing_to_spend_cannot_stop():
    assert spending_bounds([0.01, 1.0])[0] == np.inf
    assert spending_bounds([0.01, 1.0])[1] == pytest.approx(stats.norm.isf(0.025), abs=1e-9)


def test_spending_begins_at_nothing_and_ends_at_alpha():
    for family in SPENDING:
        assert spent(family, 0.05, np.array([0.0, 1.0, 1.4])) == pytest.approx([0.0, 0.05, 0.05])
        assert np.all(np.diff(spent(family, 0.05, np.linspace(0, 1, 50))) > 0)
    assert spent("power", 0.05, 0.5, 3.0) == pytest.approx(0.05 / 8)
    assert spent("hwang_shih_decani", 0.05, 0.3, 0.0) == pytest.approx(0.015)


def test_futility_bounds_meet_efficacy_at_the_end_and_cost_beta():
    time = np.array([0.25, 0.5, 0.75, 1.0])
    upper = spending_bounds(time, alpha=0.025, sides=1)
    design = futility_bounds(time, upper, beta=0.2)
    above, below = crossing_probabilities(time, upper, lower=design.lower, drift=design.drift)
    assert design.lower[-1] == pytest.approx(upper[-1], abs=1e-8)
    assert below.sum() == pytest.approx(0.2, abs=1e-8)
    assert above.sum() == pytest.approx(0.8, abs=1e-8)
    assert np.all(np.diff(design.lower) > 0)


def test_futility_never_adds_false_positives():
    time = np.array([0.25, 0.5, 0.75, 1.0])
    upper = spending_bounds(time, alpha=0.025, sides=1)
    kept, _ = crossing_probabilities(time, upper, lower=futility_bounds(time, upper).lower)
    assert kept.sum() < 0.025


def test_looking_early_costs_few_units_with_obrien_fleming_and_more_with_pocock():
    time = np.arange(1, 6) / 5
    assert 1.02 < inflation_factor(time) < 1.04
    assert 1.15 < inflation_factor(time, family="pocock") < 1.25
    assert inflation_factor([1.0]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: spending_bounds([0.5, 0.5]), "information:"),
        (lambda: spending_bounds([]), "information:"),
        (lambda: spending_bounds([0.5, 1.0], time=[0.6, 0.5]), "time:"),
        (lambda: spending_bounds([1.0], sides=3), "sides:"),
        (lambda: spending_bounds([1.0], family="early"), "spending:"),
        (lambda: spending_bounds([1.0], alpha=1.5), "alpha:"),
        (lambda: spent("power", 0.05, 0.5, -1.0), "parameter:"),
        (lambda: spent("power", 0.05, -0.5), "time:"),
        (lambda: classical_constant(0), "looks:"),
    ],
)
def test_bad_designs_are_refused_by_name(call, field):
    with pytest.raises(ValueError, match=field):
        call()
