"""Joint prices of substitutes: the closed form, all combinations, and what treating each alone costs."""

import itertools

import numpy as np
import pytest
from scipy.special import lambertw

from optimizer.engine import available_devices
from optimizer.engine.substitution import NestedLogit, price_substitutes


@pytest.fixture(params=available_devices())
def device(request):
    return request.param


def market(sizes, seed=1, dissimilarity=1.0, nests=1):
    """Categories of the given sizes, each cut into nests, calibrated from sales; prices, costs and the demand."""
    rng = np.random.default_rng(seed)
    category = np.repeat(np.arange(len(sizes)), sizes)
    count = len(category)
    nest = category * nests + np.concatenate([np.arange(size) % nests for size in sizes])
    price = rng.integers(500, 2_000, count)
    demand = NestedLogit.calibrate(
        price=price,
        units=np.exp(rng.normal(3, 0.5, count)),
        elasticity=rng.uniform(-4, -1.5, count),
        category=category,
        outside_share=0.4,
        nest=nest if nests > 1 else None,
        dissimilarity=dissimilarity,
    )
    return demand, price, price * rng.uniform(0.4, 0.7, count)


def around(price, width=0.3, points=9):
    return np.rint(price[:, None] * np.linspace(1 - width, 1 + width, points)).astype(np.int64)


@pytest.mark.parametrize(("dissimilarity", "nests"), [(1.0, 1), (0.6, 1), (0.5, 2)])
def test_calibrated_demand_sells_todays_units_with_the_known_elasticities(dissimilarity, nests):
    rng = np.random.default_rng(3)
    price, units, elasticity = rng.integers(500, 900, 6), rng.uniform(5, 50, 6), rng.uniform(-4, -1.2, 6)
    category = np.array([0, 0, 0, 0, 1, 1])
    nest = np.array([0, 0, 1, 1, 2, 2]) if nests > 1 else None
    demand = NestedLogit.calibrate(
        price=price, units=units, elasticity=elasticity, category=category, outside_share=0.3, nest=nest,
        dissimilarity=dissimilarity,
    )  # fmt: skip
    assert demand.units(price) == pytest.approx(units, rel=1e-12)
    for row in range(6):
        more = price.astype(float)
        more[row] *= 1 + 1e-6
        change = np.log(demand.units(more) / units) / 1e-6
        assert change[row] == pytest.approx(elasticity[row], rel=1e-4)
        others = np.delete(change, row)
        assert (others > -1e-6).all()  # substitutes gain, other categories stay
        assert np.delete(change, row)[np.delete(category, row) != category[row]] == pytest.approx(0, abs=1e-6)


def test_with_equal_sensitivities_all_mark_ups_are_equal_and_known_in_closed_form(device):
    cost, taste, beta = np.array([300.0, 420.0, 510.0]), np.array([3.0, 3.6, 4.2]), 0.01
    demand = NestedLogit(
        taste=taste, sensitivity=np.full(3, beta), nest=np.zeros(3, dtype=np.int64), category=np.array([0]),
        dissimilarity=np.ones(1), shoppers=np.ones(1),
    )  # fmt: skip
    options = np.tile(np.arange(300, 1_200), (3, 1))
    found = price_substitutes(demand, options=options, cost=cost, today=np.array([500, 500, 500]), device=device)
    mark_up = (1 + lambertw(np.exp(taste - beta * cost - 1).sum()).real) / beta
    assert np.abs(found.ticks - cost - mark_up).max() <= 0.5
    assert found.profit[0] == pytest.approx(mark_up - 1 / beta, rel=1e-5)


@pytest.mark.parametrize(("dissimilarity", "nests"), [(1.0, 1), (0.6, 1), (0.5, 2)])
@pytest.mark.parametrize("objective", ["profit", "revenue"])
def test_no_other_combination_of_options_earns_more(device, objective, dissimilarity, nests):
    demand, price, cost = market([4, 3], seed=4, dissimilarity=dissimilarity, nests=nests)
    options = around(price, points=5)
    found = price_substitutes(demand, options=options, cost=cost, today=price, objective=objective, device=device)
    charged = cost if objective == "profit" else 0.0
    best = np.zeros(2)
    for chosen in itertools.product(range(5), repeat=4):
        ticks = price.copy()
        ticks[:4] = options[range(4), chosen]
        best[0] = max(best[0], ((ticks - charged) * demand.units(ticks))[:4].sum())
    for chosen in itertools.product(range(5), repeat=3):
        ticks = price.copy()
        ticks[4:] = options[range(4, 7), chosen]
        best[1] = max(best[1], ((ticks - charged) * demand.units(ticks))[4:].sum())
    assert found.profit == pytest.approx(best, rel=1e-9)


def test_treating_each_alone_earns_less():
    demand, price, cost = market([8] * 50, seed=5, dissimilarity=0.7)
    options = around(price, width=0.6, points=61)
    found = price_substitutes(demand, options=options, cost=cost, today=price, device="cpu")
    assert (found.profit >= found.profit_alone - 1e-9).all() and (found.profit >= found.profit_today - 1e-9).all()
    assert found.profit.sum() > 1.01 * found.profit_alone.sum()
    assert found.rounds < 20
    assert found.units == pytest.approx(demand.units(found.ticks))


def test_a_product_without_substitutes_is_priced_as_it_would_be_alone():
    demand, price, cost = market([1] * 20, seed=6)
    found = price_substitutes(demand, options=around(price, points=41), cost=cost, today=price, device="cpu")
    assert found.profit == pytest.approx(found.profit_alone, rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"price": np.array([0, 100])}, "price: row 0"),
        ({"units": np.array([1.0, 0.0])}, "units: row 1"),
        ({"elasticity": np.array([-1.0, 0.5])}, "elasticity: row 1"),
        ({"outside_share": 1.0}, "outside_share"),
        ({"nest": np.array([0, 0]), "category": np.array([0, 1])}, "keep each nest inside one category"),
        ({"dissimilarity": 1.5}, "dissimilarity"),
    ],
)
def test_what_is_outside_its_domain_is_refused_by_name(wrong, message):
    given = {
        "price": np.array([100, 100]), "units": np.ones(2), "elasticity": np.full(2, -2.0), "outside_share": 0.5,
        "category": np.zeros(2, dtype=np.int64),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        NestedLogit.calibrate(**given | wrong)


def test_wrong_options_and_an_unknown_objective_are_refused():
    demand, price, cost = market([2])
    with pytest.raises(ValueError, match="options: got shape"):
        price_substitutes(demand, options=np.zeros((2, 0), dtype=np.int64), cost=cost, today=price)
    with pytest.raises(ValueError, match="objective: got 'units'"):
        price_substitutes(demand, options=around(price), cost=cost, today=price, objective="units")
