"""Elasticities judged by held-out price changes: on the demo's sales, and where the truth is known."""

from functools import cache

import numpy as np
import pytest

from catalog.sales_import.cleaning import clean_transactions
from catalog.sales_import.reading import read_transactions
from optimizer.engine import DemandPanel
from optimizer.engine.hierarchy import Effect, HierarchyConfig, fit_weekly_demand
from optimizer.engine.validation import (
    DemandLine,
    calibration,
    compare,
    price_change_errors,
    simple_methods,
    split_by_time,
)
from pricing_site.settings import BASE_DIR

DATA = BASE_DIR / "data" / "online_retail" / "online_retail.parquet"


@cache
def demo_sales() -> DemandPanel:
    sales = clean_transactions(read_transactions(DATA)).sales
    _, sku = np.unique(sales["sku"].to_numpy().astype(str), return_inverse=True)
    return DemandPanel(
        sku=sku,
        week=((sales["week"] - sales["week"].min()).dt.total_days() // 7).to_numpy(),
        log_price=np.log(sales["price"].to_numpy().astype(float)),
        log_units=np.log(sales["units"].to_numpy().astype(float)),
        n_skus=int(sku.max()) + 1,
    )


def window(first: int, weeks: int, held: int) -> tuple[DemandPanel, DemandPanel]:
    """Return training weeks and those after them, of SKUs that sold in a third of the training weeks."""
    train, after = split_by_time(demo_sales(), first + weeks)
    train = split_by_time(train, first)[1]
    after = split_by_time(after, first + weeks + held)[0]
    often = np.bincount(train.sku, minlength=train.n_skus) >= max(4, weeks // 3)

    def kept(panel: DemandPanel) -> DemandPanel:
        rows = often[panel.sku]
        return DemandPanel(
            sku=panel.sku[rows],
            week=panel.week[rows],
            log_price=panel.log_price[rows],
            log_units=panel.log_units[rows],
            n_skus=panel.n_skus,
        )

    return kept(train), kept(after)


def peers(train: DemandPanel) -> dict[str, DemandLine]:
    """Return the simple methods, and our fit kept at a fixed prior."""
    fixed = HierarchyConfig(
        effects={**HierarchyConfig().effects, "log_price": Effect(mean=-1.5, sd=1e-3, spread=0.5, spread_log_sd=0)}
    )
    return {**simple_methods(train), "our fit, fixed prior": fit_weekly_demand(train, config=fixed).line}


@pytest.mark.parametrize("weeks", [8, 13, 20, 26])
def test_on_the_demos_sales_the_hierarchical_fit_predicts_price_changes_best(weeks):
    """Over all windows of so many weeks, four held out after each: mean absolute error, in ln units."""
    errors: dict[str, list[float]] = {}
    for first in range(0, 30 - weeks - 3, 2):
        train, held = window(first, weeks, 4)
        fit = fit_weekly_demand(train)
        others = peers(train)
        for name, line in others.items():
            found = compare(fit.line, line, held, draws=1)
            errors.setdefault(name, []).append(found.improvement)
    assert np.mean(errors["ols"]) > 0.05
    assert np.mean(errors["pooled"]) > 0.0
    assert np.mean(errors["fixed_prior"]) > 0.0
    assert np.mean(errors["our fit, fixed prior"]) > 0.0


def known_market(seed: int = 0, skus: int = 400, weeks: int = 40) -> tuple[DemandPanel, np.ndarray]:
    """Draw sales of a shop with season and trends, with each SKU's true elasticity."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-2.2, 0.4, skus)
    price = rng.normal(1, 0.4, skus)[:, None] + rng.normal(0, 0.12, (skus, weeks))
    season, trend = rng.normal(0, 0.3, weeks), rng.normal(0, 0.4, skus)[:, None] * np.arange(weeks) / 52
    units = rng.normal(3, 1, skus)[:, None] + truth[:, None] * price + season + trend
    sku, week = np.divmod(np.arange(skus * weeks), weeks)
    log_units = (units + rng.normal(0, 0.4, units.shape)).ravel()
    return DemandPanel(sku=sku, week=week, log_price=price.ravel(), log_units=log_units, n_skus=skus), truth


def test_the_weekly_fit_knows_elasticities_and_the_last_weeks_demand():
    panel, truth = known_market()
    fit = fit_weekly_demand(panel, parents=(panel.sku[panel.week == 0] % 7,))
    covered = np.abs(fit.elasticity_mean - truth) < 1.645 * fit.elasticity_sd
    assert 0.87 < covered.mean() < 0.93 and fit.informed.all() and (fit.shrinkage > 0.2).all()
    assert abs((fit.elasticity_mean - truth).mean()) < 0.05
    last = panel.log_units[panel.week == 39] - truth * (panel.log_price[panel.week == 39] - fit.reference_log_price)
    assert np.mean(fit.log_demand - last) == pytest.approx(0, abs=0.06)
    assert np.mean((fit.log_demand - last) ** 2) < 1.5 * np.mean(fit.residual_sd**2)
    assert 0.4 < np.median(fit.r2) < 1 and np.median(fit.residual_sd) == pytest.approx(0.4, rel=0.1)


def test_a_sku_whose_price_never_moved_has_its_categorys_elasticity():
    panel, _ = known_market(skus=60)
    still, gone = panel.sku == 3, panel.sku != 5
    log_price = np.where(still, 1.0, panel.log_price)
    rows = DemandPanel(
        sku=panel.sku[gone],
        week=panel.week[gone],
        log_price=log_price[gone],
        log_units=panel.log_units[gone],
        n_skus=60,
    )
    fit = fit_weekly_demand(rows, parents=(np.arange(60) % 3,))
    assert fit.elasticity_mean[3] == pytest.approx(fit.fit.groups[0].mean[0, 1], abs=0.05)
    assert not fit.informed[3] and fit.shrinkage[3] < 0.05
    assert np.isnan(fit.reference_log_price[5]) and np.isnan(fit.base_demand[5]) and fit.weeks[5] == 0
    assert fit.elasticity_mean[5] == pytest.approx(fit.fit.groups[0].mean[2, 1])


def test_the_better_line_is_found_and_its_interval_says_how_sure_that_is():
    panel, truth = known_market()
    train, held = split_by_time(panel, 32)
    assert train.week.max() == 31 and held.week.min() == 32
    fit = fit_weekly_demand(train).line
    right, wrong = (
        DemandLine(elasticity=elasticity, level=fit.level, reference=fit.reference)
        for elasticity in (truth, np.zeros(len(truth)))
    )
    better = compare(right, wrong, held)
    assert 0 < better.low < better.improvement < better.high and better.skus == 400
    same = compare(right, right, held)
    assert (same.improvement, same.low, same.high) == (0, 0, 0)
    assert compare(wrong, right, held).high < 0
    assert compare(fit, wrong, held).low > 0.05


def test_what_a_week_was_for_the_whole_shop_is_nobodys_error():
    panel, truth = known_market(skus=50)
    _, held = split_by_time(panel, 32)
    line = DemandLine(elasticity=truth, level=np.full(50, 3.0), reference=np.zeros(50))
    shifted = DemandPanel(
        sku=held.sku,
        week=held.week,
        log_price=held.log_price,
        log_units=held.log_units + 0.7 * (held.week == 35),
        n_skus=50,
    )
    np.testing.assert_allclose(price_change_errors(line, shifted), price_change_errors(line, held))
    unknown = DemandLine(elasticity=truth, level=np.where(np.arange(50) == 4, np.nan, 3.0), reference=np.zeros(50))
    assert np.isnan(price_change_errors(unknown, held)[held.sku == 4]).all()
    still = DemandPanel(sku=held.sku, week=held.week, log_price=np.ones(len(held)), log_units=held.log_units, n_skus=50)
    with pytest.raises(ValueError, match="hold more weeks out"):
        compare(line, DemandLine(elasticity=truth, level=line.level, reference=np.ones(50)), still)


def test_intervals_of_weeks_to_come_hold_what_they_promise():
    shares = []
    for seed in range(4):
        train, held = split_by_time(known_market(seed)[0], 36)
        fit = fit_weekly_demand(train)
        spreads = {"elasticity_sd": fit.elasticity_sd, "level_sd": fit.log_demand_sd, "residual_sd": fit.residual_sd}
        found = calibration(fit.line, held, **spreads)
        shares.append(list(found.values()))
        too_sure = calibration(fit.line, held, **spreads | {"residual_sd": fit.residual_sd / 2})
        assert too_sure[0.9] < found[0.9] - 0.1
    assert list(found) == [0.5, 0.8, 0.9]
    assert np.abs(np.mean(shares, axis=0) - [0.5, 0.8, 0.9]).max() < 0.04
    nobody = DemandLine(elasticity=fit.line.elasticity, level=np.full(400, np.nan), reference=fit.line.reference)
    with pytest.raises(ValueError, match="no held-out week was predicted"):
        calibration(nobody, held, **spreads)
