"""Choices under coupling limits: near the optimum of a general solver, feasible, and never above their bound."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from optimizer.engine import available_devices
from optimizer.engine.portfolio import CannotMeet, Chain, Coupling, Portfolio, optimize_portfolio
from optimizer.engine.price_groups import PADDING, QualityLadder


@pytest.fixture(params=available_devices())
def device(request):
    return request.param


def shop(skus, options=9, seed=1, categories=0):
    """Profit at prices within ±20 %, with a revenue floor, a budget of changes and a price index."""
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(3, 1, skus))[:, None] * np.linspace(0.8, 1.2, options)
    today = options // 2
    units = np.exp(rng.normal(2, 1, (skus, 1))) * np.linspace(0.8, 1.2, options) ** rng.normal(-2, 0.6, (skus, 1))
    revenue, cost = price * units, price[:, [today]] * rng.uniform(0.4, 0.8, (skus, 1))
    changed = np.ones((skus, options))
    changed[:, today] = 0
    index = price / (price[:, [today]] * np.exp(rng.normal(0, 0.1, (skus, 1))))
    group = rng.integers(0, categories, skus) if categories else None
    codes = np.zeros(skus, dtype=np.int64) if group is None else group
    share = index / np.bincount(codes)[codes][:, None]
    couplings = [
        Coupling(name="revenue", usage=-revenue, limit=np.array([-1.01 * revenue[:, today].sum()])),
        Coupling(name="changes", usage=changed, limit=np.array([0.4 * skus])),
        Coupling(name="index", usage=share, limit=np.bincount(codes, share[:, today]) * 1.02, group=group),
    ]
    return Portfolio(value=revenue - cost * units, couplings=couplings)


def programme(portfolio):
    """Return the portfolio as a linear programme: costs, rows of limits, limits, and one option a SKU."""
    skus, options = portfolio.value.shape
    rows = []
    for coupling in portfolio.couplings:
        for group in range(len(coupling.limit)):
            rows.append(np.where((coupling.codes() == group)[:, None], coupling.usage, 0.0).reshape(-1))
    limits = np.concatenate([coupling.limit for coupling in portfolio.couplings])
    return -portfolio.value.reshape(-1), np.array(rows), limits, np.kron(np.eye(skus), np.ones(options))


def kept(portfolio, option):
    return all(
        (used <= coupling.limit + 1e-9 * np.abs(coupling.limit)).all()
        for used, coupling in zip(portfolio.usage_of(option), portfolio.couplings, strict=True)
    )


@pytest.mark.parametrize("categories", [0, 4])
def test_the_bound_is_the_optimum_of_the_linear_programme(device, categories):
    portfolio = shop(300, categories=categories)
    found = optimize_portfolio(portfolio, device=device)
    costs, rows, limits, once = programme(portfolio)
    best = linprog(costs, A_ub=rows, b_ub=limits, A_eq=once, b_eq=np.ones(300), bounds=(0, 1))
    assert found.bound == pytest.approx(-best.fun, rel=1e-8)
    assert found.value <= found.bound
    assert kept(portfolio, found.option)
    assert found.gap < 5e-4
    assert found.value == pytest.approx(portfolio.value_of(found.option))


@pytest.mark.parametrize("seed", range(5))
def test_a_small_portfolio_is_as_good_as_the_integer_programme_within_the_gap(seed):
    portfolio = shop(40, options=5, seed=seed)
    found = optimize_portfolio(portfolio, device="cpu", tolerance=1e-9)
    costs, rows, limits, once = programme(portfolio)
    best = milp(
        costs,
        constraints=[LinearConstraint(once, 1, 1), LinearConstraint(rows, -np.inf, limits)],
        integrality=np.ones(len(costs)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    assert found.value <= -best.fun * (1 + 1e-9) <= found.bound * (1 + 1e-8)
    assert found.value == pytest.approx(-best.fun, rel=1e-3)  # 40 SKUs: the core has only their six best options
    assert kept(portfolio, found.option)


def tight(seed):
    """Return a small portfolio under limits between what can hardly be kept and what costs nothing."""
    rng = np.random.default_rng(seed)
    skus, options = int(rng.integers(3, 25)), int(rng.integers(2, 8))
    value = rng.normal(0, 5, (skus, options))
    shut = rng.random((skus, options)) < 0.1
    shut[:, 0] = False
    value[shut] = -np.inf
    couplings = []
    for number in range(int(rng.integers(1, 4))):
        usage = rng.uniform(-1, 2, value.shape) if number else rng.integers(0, 3, value.shape).astype(float)
        least = np.where(shut, np.inf, usage).min(axis=1).sum()
        wanted = usage[np.arange(skus), value.argmax(axis=1)].sum()
        limit = least + (wanted - least) * rng.uniform(0, 0.7) + 1e-9
        couplings.append(Coupling(name=str(number), usage=usage, limit=np.array([limit])))
    return Portfolio(value=value, couplings=couplings)


@pytest.mark.parametrize("seed", range(40))
def test_where_a_general_solver_finds_a_choice_ours_is_as_good_and_where_none_ours_says_so(seed):
    portfolio = tight(seed)
    costs, rows, limits, once = programme(portfolio)
    best = milp(
        np.where(np.isfinite(costs), costs, 0.0),
        constraints=[LinearConstraint(once, 1, 1), LinearConstraint(rows, -np.inf, limits)],
        integrality=np.ones(len(costs)),
        bounds=Bounds(0, np.isfinite(costs).astype(float)),
        options={"mip_rel_gap": 0},
    )
    if best.x is None:
        with pytest.raises(CannotMeet):
            optimize_portfolio(portfolio, device="cpu", tolerance=1e-9)
        return
    found = optimize_portfolio(portfolio, device="cpu", tolerance=1e-9)
    assert kept(portfolio, found.option)
    assert found.value == pytest.approx(-best.fun, rel=1e-9)
    assert found.bound >= -best.fun * (1 - 1e-9) - 1e-9


def test_a_large_one_is_within_a_ten_thousandth_with_hundreds_of_groups():
    portfolio = shop(60_000, options=21, categories=300)
    found = optimize_portfolio(portfolio, device="cpu")
    assert found.gap <= 1e-4
    assert kept(portfolio, found.option)


def test_without_limits_everyone_takes_the_best(device):
    portfolio = shop(50)
    found = optimize_portfolio(Portfolio(value=portfolio.value), device=device)
    assert np.array_equal(found.option, portfolio.value.argmax(axis=1))
    assert found.gap == 0


def test_a_limit_that_does_not_bind_has_no_price():
    portfolio = shop(200)
    loose = Coupling(name="changes", usage=portfolio.couplings[1].usage, limit=np.array([1e9]))
    found = optimize_portfolio(Portfolio(value=portfolio.value, couplings=[loose]), device="cpu")
    assert found.multipliers[0][0] == 0
    assert np.array_equal(found.option, portfolio.value.argmax(axis=1))


def test_a_multiplier_is_what_one_more_unit_of_its_limit_brings():
    skus = 20_000

    def best(changes):
        portfolio = shop(skus)
        couplings = list(portfolio.couplings)
        couplings[1] = Coupling(name="changes", usage=couplings[1].usage, limit=np.array([float(changes)]))
        return optimize_portfolio(Portfolio(value=portfolio.value, couplings=couplings), device="cpu")

    at = best(0.4 * skus)
    more = best(0.4 * skus + 20)
    assert (more.bound - at.bound) / 20 == pytest.approx(at.multipliers[1][0], rel=0.01)


def test_from_where_an_earlier_run_ended_it_takes_fewer_steps():
    portfolio = shop(5_000)
    cold = optimize_portfolio(portfolio, device="cpu")
    warm = optimize_portfolio(portfolio, device="cpu", start=cold.multipliers)
    assert warm.steps < cold.steps
    assert warm.bound == pytest.approx(cold.bound, rel=1e-9)


def test_what_cannot_be_met_alone_is_named_with_what_can():
    portfolio = shop(100)
    revenue = portfolio.couplings[0]
    couplings = [Coupling(name="revenue", usage=revenue.usage, limit=revenue.limit * 3), *portfolio.couplings[1:]]
    with pytest.raises(CannotMeet, match=r"revenue, group 0: .* cannot be kept even alone") as caught:
        optimize_portfolio(Portfolio(value=portfolio.value, couplings=couplings), device="cpu")
    (unmet,) = caught.value.unmet
    assert unmet.least == pytest.approx(revenue.usage.min(axis=1).sum())


def test_what_cannot_be_met_together_is_named_with_what_can_beside_the_others():
    portfolio = shop(300)
    revenue, changes, _ = portfolio.couplings
    most = revenue.usage.min(axis=1).sum()
    couplings = [
        Coupling(name="revenue", usage=revenue.usage, limit=np.array([most * 0.999])),
        Coupling(name="changes", usage=changes.usage, limit=np.array([3.0])),
    ]
    with pytest.raises(CannotMeet, match="together with the others") as caught:
        optimize_portfolio(Portfolio(value=portfolio.value, couplings=couplings), device="cpu")
    (unmet,) = caught.value.unmet
    assert unmet.name == "changes"
    # With so many changes it can be done: HiGHS's least number.
    _, rows, _, once = programme(Portfolio(value=portfolio.value, couplings=couplings))
    least = linprog(rows[1], A_ub=rows[:1], b_ub=[most * 0.999], A_eq=once, b_eq=np.ones(300), bounds=(0, 1))
    assert unmet.least == pytest.approx(least.fun, rel=1e-6)


def test_a_corridor_that_only_poor_options_meet_is_met():
    # Ten SKUs, each worth most at its first option; the corridor is met only where all but a few take the last.
    value = np.tile(np.linspace(10.0, 0.0, 12), (10, 1))
    usage = np.tile(np.arange(12.0), (10, 1))
    couplings = [
        Coupling(name="at least", usage=-usage, limit=np.array([-107.0])),
        Coupling(name="at most", usage=usage, limit=np.array([107.0])),
    ]
    found = optimize_portfolio(Portfolio(value=value, couplings=couplings), device="cpu")
    assert usage[np.arange(10), found.option].sum() == 107.0
    assert found.gap < 1e-6


def test_values_around_nothing_end_as_well():
    portfolio = shop(300)
    middle = portfolio.value - np.median(portfolio.value)
    middle -= optimize_portfolio(Portfolio(value=middle, couplings=portfolio.couplings), device="cpu").value / 300
    found = optimize_portfolio(Portfolio(value=middle, couplings=portfolio.couplings), device="cpu")
    assert found.steps < 60
    assert 0 <= found.bound - found.value < 1e-3 * np.ptp(middle, axis=1).sum()


def test_families_take_one_option_and_ladders_keep_their_steps():
    rng = np.random.default_rng(5)
    options = 4
    ticks = np.sort(rng.choice(np.arange(50, 90), (6, options), replace=False), axis=1).astype(np.int64)
    value, usage = rng.uniform(0, 10, (6, options)), rng.uniform(0, 5, (6, options))
    steps = QualityLadder(torch.tensor([[3]]), torch.tensor([[0]]))
    portfolio = Portfolio(
        value=value,
        couplings=[Coupling(name="usage", usage=usage, limit=np.array([14.0]))],
        families=[np.array([[0, 1]])],
        chains=[Chain(rows=np.array([[2, 3]]), ticks=ticks[None, 2:4], relation=steps)],
    )
    found = optimize_portfolio(portfolio, device="cpu", tolerance=1e-9)
    allowed = [
        choice
        for choice in itertools.product(range(options), repeat=6)
        if choice[0] == choice[1] and ticks[3, choice[3]] >= ticks[2, choice[2]] + 3
    ]
    feasible = [choice for choice in allowed if usage[range(6), choice].sum() <= 14.0]
    best = max(value[range(6), choice].sum() for choice in feasible)
    assert tuple(found.option) in feasible
    assert found.value <= best <= found.bound + 1e-9
    assert found.value >= best - 1.5  # only SKUs that choose alone are chosen anew: two of six here


def test_an_option_that_is_not_open_is_never_chosen(device):
    portfolio = shop(200)
    shut = portfolio.value.copy()
    shut[np.arange(200), portfolio.value.argmax(axis=1)] = -np.inf
    found = optimize_portfolio(Portfolio(value=shut, couplings=portfolio.couplings), device=device)
    assert np.isfinite(shut[np.arange(200), found.option]).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"usage": np.zeros((3, 2))}, "usage has shape"),
        ({"limit": np.array([np.nan])}, "not finite"),
        ({"group": np.array([0, 0, 5])}, "names a limit that is not there"),
    ],
)
def test_a_wrong_coupling_is_refused_by_name(wrong, message):
    coupling = {"name": "budget", "usage": np.zeros((3, 4)), "limit": np.array([1.0])} | wrong
    with pytest.raises(ValueError, match=f"budget: .*{message}"):
        Portfolio(value=np.zeros((3, 4)), couplings=[Coupling(**coupling)])


def test_a_sku_without_an_option_is_refused():
    with pytest.raises(ValueError, match="one finite option a SKU"):
        Portfolio(value=np.array([[1.0, 2.0], [-np.inf, -np.inf]]))


def test_a_family_without_a_common_option_and_a_member_without_any_are_refused():
    value = np.array([[1.0, -np.inf], [-np.inf, 1.0]])
    with pytest.raises(ValueError, match="no option that all members may choose"):
        Portfolio(value=value, families=[np.array([[0, 1]])])
    steps = QualityLadder(torch.tensor([[3]]), torch.tensor([[0]]))
    ticks = np.array([[[1, 2], [PADDING, PADDING]]])
    with pytest.raises(ValueError, match="a member has no option"):
        Portfolio(value=np.ones((2, 2)), chains=[Chain(rows=np.array([[0, 1]]), ticks=ticks, relation=steps)])
