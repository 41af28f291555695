"""Products that take sales from each other: found, shrunk, symmetric, and priced together."""

import dataclasses
from itertools import product as combinations

import numpy as np
import pytest

from optimizer.engine import DemandPanel
from optimizer.engine.cross_price import (
    Categories,
    CategoryPanel,
    CrossPriceConfig,
    fit_cross_prices,
    joint_prices,
    supported_pairs,
)

PRODUCTS = 20
PAIRS = np.triu_indices(PRODUCTS, 1)
OFF_DIAGONAL = ~np.eye(PRODUCTS, dtype=bool)


def category(seed: int, *, share: float = 0.1, weeks: int = 80):
    """Draw a category in which a share of the pairs are substitutes, with its true elasticities and who they are."""
    rng = np.random.default_rng(seed)
    level, price = rng.normal(3, 0.6, PRODUCTS), rng.normal(1, 0.3, PRODUCTS)
    revenue = np.exp(level + price)
    effect = np.zeros((PRODUCTS, PRODUCTS))
    effect[PAIRS] = (rng.random(len(PAIRS[0])) < share) * np.maximum(rng.normal(0.4, 0.12, len(PAIRS[0])), 0.1)
    effect = effect + effect.T
    elasticity = effect * np.sqrt(revenue / revenue[:, None])
    elasticity[np.diag_indices(PRODUCTS)] = rng.normal(-2.2, 0.4, PRODUCTS)
    moves, season = rng.normal(0, 0.12, (weeks, PRODUCTS)), rng.normal(0, 0.2, weeks)
    units = level + moves @ elasticity.T + season[:, None] + rng.normal(0, 0.25, moves.shape)
    units[rng.random(units.shape) < 0.1] = np.nan
    return CategoryPanel(log_price=price + moves, log_units=units, season=season), elasticity, effect > 0


def least_squares(panel: CategoryPanel) -> np.ndarray:
    found = np.empty((PRODUCTS, PRODUCTS))
    for product, units in enumerate(panel.log_units.T):
        rows = np.isfinite(units)
        design = np.column_stack([np.ones(rows.sum()), panel.season[rows], panel.log_price[rows]])
        found[product] = np.linalg.lstsq(design, units[rows], rcond=None)[0][2:]
    return found


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(((found - truth)[OFF_DIAGONAL] ** 2).mean()))


def test_substitutes_are_found_and_the_others_shrunk_to_nothing():
    ranked, shares = [], []
    for seed in range(8):
        panel, truth, substitutes = category(seed)
        fit = fit_cross_prices(panel)
        assert error(fit.elasticity, truth) < 0.75 * error(np.zeros_like(truth), truth)
        assert error(fit.elasticity, truth) < 0.45 * error(least_squares(panel), truth)
        chances, true = fit.substitutes[PAIRS], substitutes[PAIRS]
        ranked.append((chances[true][:, None] > chances[~true]).mean())
        shares.append(chances.mean())
    assert np.mean(ranked) > 0.9 and 0.07 < np.mean(shares) < 0.16


def test_where_nobody_takes_sales_from_anybody_next_to_nothing_is_found():
    found = [fit_cross_prices(category(seed, share=0.0)[0]) for seed in range(5)]
    assert np.mean([fit.substitutes[PAIRS].mean() for fit in found]) < 0.1
    assert np.mean([(fit.substitutes[PAIRS] > 0.5).mean() for fit in found]) < 0.02
    assert max(np.abs(fit.elasticity[OFF_DIAGONAL]).mean() for fit in found) < 0.03


def test_own_elasticities_are_covered_and_effects_symmetric_in_revenue():
    covered = []
    for seed in range(25):
        panel, truth, _ = category(seed + 50)
        fit = fit_cross_prices(panel)
        covered.append(np.abs(np.diag(fit.elasticity - truth)) < 1.645 * np.diag(fit.sd))
        slutsky = fit.elasticity * fit.share[:, None]
        np.testing.assert_allclose(slutsky[PAIRS], slutsky.T[PAIRS])
        assert fit.share.sum() == pytest.approx(1) and (fit.substitutes == fit.substitutes.T).all()
    assert 0.86 < np.mean(covered) < 0.94
    assert np.mean(fit.noise_sd) == pytest.approx(0.25, rel=0.1)


def test_two_products_and_one_alone_are_a_category_too():
    panel, truth, _ = category(1, weeks=200)
    for size in (1, 2):
        few = CategoryPanel(
            log_price=panel.log_price[:, :size], log_units=panel.log_units[:, :size], season=panel.season
        )
        fit = fit_cross_prices(few)
        np.testing.assert_allclose(np.diag(fit.elasticity), np.diag(truth)[:size], atol=0.5)


def test_joint_prices_are_those_of_trying_every_combination():
    rng = np.random.default_rng(4)
    for _ in range(20):
        elasticity = rng.uniform(0, 0.8, (3, 3))
        elasticity[np.diag_indices(3)] = rng.uniform(-4, -2, 3)
        price, cost, demand = rng.uniform(5, 15, 3), rng.uniform(2, 5, 3), rng.uniform(10, 100, 3)
        candidates = price[:, None] * np.linspace(0.7, 1.4, 15)
        found = joint_prices(elasticity=elasticity, price=price, unit_cost=cost, demand=demand, candidates=candidates)

        def profit(choice, parts=(elasticity, price, cost, demand, candidates)):
            elasticity, price, cost, demand, candidates = parts
            chosen = candidates[np.arange(3), list(choice)]
            return ((chosen - cost) * demand * np.exp(elasticity @ np.log(chosen / price))).sum()

        best = max(map(profit, combinations(range(15), repeat=3)))
        assert found.profit == pytest.approx(profit(found.choice)) and found.profit > 0.999 * best
        assert found.profit >= found.profit_alone and found.profit >= found.profit_before
        assert found.profit_before == pytest.approx(((price - cost) * demand).sum())


def test_substitutes_together_are_dearer_than_each_alone_and_strangers_the_same():
    price, cost, demand = np.full(2, 10.0), np.full(2, 6.0), np.full(2, 50.0)
    candidates = np.tile(np.linspace(8, 12, 81), (2, 1))
    strangers = joint_prices(
        elasticity=np.diag([-3.0, -3.0]), price=price, unit_cost=cost, demand=demand, candidates=candidates
    )
    assert strangers.price == pytest.approx([9.0, 9.0]) and strangers.profit == pytest.approx(strangers.profit_alone)
    rivals = joint_prices(
        elasticity=np.array([[-3.0, 0.8], [0.8, -3.0]]),
        price=price,
        unit_cost=cost,
        demand=demand,
        candidates=candidates,
    )
    assert (rivals.price > 10).all() and rivals.profit > 1.02 * rivals.profit_alone


def test_what_is_wrong_is_named_with_its_cure():
    price, units = np.zeros((5, 2)), np.ones((5, 2))
    unknown = np.where(np.arange(10) == 7, np.nan, 0).reshape(5, 2)
    for message, fields in {
        "log_price, log_units: got": {"log_units": units[:, :1]},
        "log_price: week 3 of product 1 is not finite": {"log_price": unknown},
        "give NaN for weeks without sales": {"log_units": np.full((5, 2), -np.inf)},
        "season: give": {"season": np.zeros(4)},
        "product 0 sold in 0 weeks; leave it out": {"log_units": np.column_stack([np.full(5, np.nan), np.ones(5)])},
    }.items():
        with pytest.raises(ValueError, match=message):
            CategoryPanel(**{"log_price": price, "log_units": units} | fields)
    with pytest.raises(ValueError, match="81 products; give at most 80"):
        fit_cross_prices(CategoryPanel(log_price=np.zeros((3, 81)), log_units=np.ones((3, 81))))
    with pytest.raises(ValueError, match="effect_sd above"):
        CrossPriceConfig(effect_sd=0.01)
    with pytest.raises(ValueError, match="elasticity, candidates: got"):
        joint_prices(
            elasticity=np.eye(3), price=np.ones(2), unit_cost=np.ones(2), demand=np.ones(2), candidates=np.ones((2, 4))
        )


def a_shop_of(members, *, weeks: int = 12, **columns) -> DemandPanel:
    """Weekly sales of SKUs at a price that rises by 1 % a week; SKU 0 sells in every second week only."""
    sku, week = (each.reshape(-1) for each in np.meshgrid(np.arange(members), np.arange(weeks), indexing="ij"))
    sold = (sku > 0) | (week % 2 == 1)
    sku, week = sku[sold], week[sold]
    price = 0.01 * week + sku
    return DemandPanel(sku=sku, week=week + 5, log_price=price, log_units=3 - price, n_skus=members, **columns)


def test_categories_carry_prices_on_into_weeks_without_sales():
    found = Categories.of(a_shop_of(3, weeks=16), np.array([1, 0, 1]))
    ((members, panel),) = found.panels()
    assert members.tolist() == [0, 2] and (found.too_large, found.too_small) == (0, 1)
    last_sold = [1, *(week - (week + 1) % 2 for week in range(1, 16))]
    np.testing.assert_allclose(panel.log_price[:, 0], 0.01 * np.array(last_sold))
    np.testing.assert_allclose(panel.log_price[:, 1], 2 + 0.01 * np.arange(16))
    assert np.isnan(panel.log_units[::2, 0]).all() and np.isfinite(panel.log_units[1::2, 0]).all()


def test_weeks_that_sold_out_keep_their_price_and_say_nothing_of_demand():
    plain = a_shop_of(3)
    out = (plain.sku == 1) & (plain.week == 7)
    found = Categories.of(dataclasses.replace(plain, stocked_out=out), np.zeros(3, dtype=np.int64))
    ((members, panel),) = found.panels()
    assert members.tolist() == [1, 2], "SKU 0 sold in six weeks"
    assert np.isnan(panel.log_units[2, 0]) and np.isfinite(panel.log_units).sum() == 23
    np.testing.assert_allclose(panel.log_price[:, 0], 1 + 0.01 * np.arange(12))


def test_of_each_products_demand_the_strongest_likely_pairs_are_supported():
    panel, _, substitutes = category(0)
    fit = fit_cross_prices(panel)
    pairs = supported_pairs(fit)
    assert len(pairs.mean) and (pairs.probability >= 0.8).all() and (pairs.demand_of != pairs.price_of).all()
    assert substitutes[pairs.demand_of, pairs.price_of].mean() > 0.7
    np.testing.assert_array_equal(pairs.mean, fit.elasticity[pairs.demand_of, pairs.price_of])
    most = supported_pairs(fit, least_probability=0.0, most_others=3)
    assert (np.bincount(most.demand_of) == 3).all()
    for product in range(PRODUCTS):
        others = np.delete(np.abs(fit.elasticity[product]), product)
        kept = np.abs(most.mean[most.demand_of == product])
        np.testing.assert_allclose(np.sort(kept), np.sort(others)[-3:])


def test_in_a_small_shop_the_season_does_not_pass_for_effects():
    """What a wrong elasticity leaves in the weeks' means would: of these pairs more than half."""
    size, weeks, found = 5, 100, []
    sku, week = (each.reshape(-1) for each in np.meshgrid(np.arange(size), np.arange(weeks)))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        moves, season = rng.normal(0, 0.12, (weeks, size)), rng.normal(0, 0.2, (weeks, 1))
        units = 5 + moves * rng.normal(-2.2, 0.4, size) + season + rng.normal(0, 0.1, moves.shape)
        sales = DemandPanel(sku=sku, week=week, log_price=moves.reshape(-1), log_units=units.reshape(-1), n_skus=size)
        ((_, panel),) = Categories.of(sales, np.zeros(size, dtype=np.int64)).panels()
        fit = fit_cross_prices(panel)
        assert len(supported_pairs(fit).mean) == 0
        found.append(fit.elasticity[~np.eye(size, dtype=bool)].mean())
        assert np.corrcoef(panel.season, season[:, 0])[0, 1] > 0.9
    assert abs(np.mean(found)) < 0.02
