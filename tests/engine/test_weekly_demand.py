"""Weekly demand with what else moved it: promotions, holidays, competitors' prices, weeks that sold out."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer.engine import DemandPanel
from optimizer.engine.hierarchy import HierarchyConfig, fit_weekly_demand

SKUS, WEEKS, ELASTICITY, PROMOTION, RIVAL = 300, 52, -2.0, 0.8, 0.6


@pytest.fixture(scope="module")
def market():
    """Return a panel whose promotions came with a lower price, whose rival moved with us, and which at times sold out.

    Beside it what would have been sold with endless stock.
    """
    rng = np.random.default_rng(7)
    shape = (SKUS, WEEKS)
    promotion = (rng.random(shape) < 0.15).astype(float)
    price = rng.normal(0, 0.08, shape) - 0.2 * promotion
    rival = 0.7 * price + rng.normal(0, 0.08, shape)
    holiday = np.tile((np.arange(WEEKS) % 13 == 0).astype(float), (SKUS, 1))
    taste = rng.normal(0, 0.5, SKUS)[:, None]
    log_units = (
        rng.normal(5, 1, SKUS)[:, None]
        + (ELASTICITY + rng.normal(0, 0.3, SKUS)[:, None]) * price
        + PROMOTION * promotion
        + RIVAL * rival
        + taste * holiday
        + rng.normal(0, 0.3, shape)
    )
    stock = rng.normal(5.6, 1, shape)
    panel = DemandPanel(
        sku=np.repeat(np.arange(SKUS), WEEKS),
        week=np.tile(np.arange(WEEKS), SKUS),
        log_price=price.ravel(),
        log_units=np.minimum(log_units, stock).ravel(),
        n_skus=SKUS,
        promotion=promotion.ravel(),
        holiday=holiday.ravel(),
        competitor_log_price=np.where(rng.random(shape) < 0.2, np.nan, rival + 3).ravel(),
        stocked_out=(log_units > stock).ravel(),
    )
    return panel, log_units.ravel()


def of_shop(fit, name):
    place = fit.fit.names.index(name)
    return fit.fit.shop.mean[0, place], fit.fit.shop.sd[0, place]


def test_what_else_moved_demand_is_told_from_the_price(market):
    panel, _ = market
    fit = fit_weekly_demand(panel)
    for name, truth in (("log_price", ELASTICITY), ("promotion", PROMOTION), ("competitor_log_price", RIVAL)):
        mean, sd = of_shop(fit, name)
        assert abs(mean - truth) < 0.1, (name, mean, sd)


def test_without_them_the_price_is_credited_with_their_work(market):
    panel, _ = market
    blind = replace(panel, promotion=None, competitor_log_price=None)
    assert of_shop(fit_weekly_demand(blind), "log_price")[0] < ELASTICITY - 0.5


def test_weeks_that_sold_out_count_as_at_least_what_was_sold(market):
    panel, wanted = market
    assert 0.2 < panel.stocked_out.mean() < 0.5
    censored, naive, endless = (
        fit_weekly_demand(each)
        for each in (
            panel,
            replace(panel, stocked_out=None),
            replace(panel, stocked_out=None, log_units=wanted),
        )
    )
    naive_error, error = (np.abs(each.log_demand - endless.log_demand).mean() for each in (naive, censored))
    assert error < naive_error / 3
    assert of_shop(naive, "log_price")[0] > ELASTICITY + 0.3 > of_shop(censored, "log_price")[0] + 0.2


def test_demand_is_that_of_a_usual_week_at_the_rivals_latest_price(market):
    panel, _ = market
    base = fit_weekly_demand(panel)
    dearer = panel.competitor_log_price + np.where(panel.week == WEEKS - 1, 0.1, 0.0)
    moved = fit_weekly_demand(replace(panel, competitor_log_price=dearer))
    assert np.median(moved.log_demand - base.log_demand) > 0.02


def test_a_holiday_that_lifts_all_products_in_the_last_week_is_not_in_what_is_predicted(market):
    panel, wanted = market
    plain = replace(panel, promotion=None, competitor_log_price=None, stocked_out=None, log_units=wanted)
    late = np.isin(panel.week, [13, 26, WEEKS - 1]).astype(float)
    lifted = replace(plain, holiday=late, log_units=wanted + 0.5 * late)
    without = fit_weekly_demand(replace(plain, holiday=late)).log_demand
    assert abs(np.mean(fit_weekly_demand(lifted).log_demand - without)) < 0.02


def test_a_last_week_that_sold_out_nearly_everywhere_does_not_lower_demand(market):
    panel, wanted = market
    short = (panel.week == WEEKS - 1) & (panel.sku % 10 > 0)
    plain = replace(panel, stocked_out=None, log_units=wanted)
    sold_out = replace(panel, stocked_out=short, log_units=wanted - 1.0 * short)
    moved = fit_weekly_demand(sold_out).log_demand - fit_weekly_demand(plain).log_demand
    assert abs(np.mean(moved)) < 0.05


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_offers_of_half_the_products_in_few_weeks_say_as_much_of_the_price(market, share):
    panel, wanted = market
    rng = np.random.default_rng(2)
    seen = (rng.random(len(panel)) < share) & (panel.sku % 2 == 0)
    sparse = replace(
        panel,
        stocked_out=None,
        log_units=wanted,
        competitor_log_price=np.where(seen, panel.competitor_log_price, np.nan),
    )
    fit = fit_weekly_demand(sparse)
    assert of_shop(fit, "log_price")[0] == pytest.approx(ELASTICITY, abs=0.2)
    assert of_shop(fit, "competitor_log_price")[0] == pytest.approx(RIVAL, abs=0.2)


def test_columns_that_do_not_vary_are_left_out_and_rows_may_come_in_any_order(market):
    panel, _ = market
    still = replace(panel, promotion=np.zeros(len(panel)), holiday=np.ones(len(panel)), competitor_log_price=None)
    fit = fit_weekly_demand(still)
    assert fit.fit.names == ("level", "log_price", "season", "trend")
    order = np.random.default_rng(0).permutation(len(panel))
    columns = ("sku", "week", "log_price", "log_units", "promotion", "holiday", "competitor_log_price", "stocked_out")
    shuffled = replace(panel, **{name: getattr(panel, name)[order] for name in columns})
    np.testing.assert_allclose(
        fit_weekly_demand(shuffled).elasticity_mean, fit_weekly_demand(panel).elasticity_mean, atol=1e-6
    )


def test_a_column_of_another_length_is_refused_by_name(market):
    panel, _ = market
    with pytest.raises(ValueError, match="promotion: got float64"):
        replace(panel, promotion=panel.promotion[1:])
    with pytest.raises(ValueError, match="holiday: row 3 is not finite"):
        replace(panel, holiday=np.where(np.arange(len(panel)) == 3, np.nan, panel.holiday))


def test_counts_without_their_zeros_are_refused(market):
    with pytest.raises(ValueError, match="likelihood: got 'poisson'; give 'lognormal'"):
        fit_weekly_demand(market[0], config=HierarchyConfig(likelihood="poisson"))


def test_usual_weeks_are_those_without_promotion_that_did_not_sell_out(market):
    panel, _ = market
    usual = panel.usual_weeks()
    assert len(usual) == ((panel.promotion == 0) & ~panel.stocked_out).sum()
    assert not usual.stocked_out.any() and not usual.promotion.any()


def test_each_customer_segment_has_an_elasticity_that_its_products_borrow_from():
    """A segment is a level: series are products in a segment, their parents categories in it, then the segment."""
    rng, skus, truth = np.random.default_rng(11), 200, np.array([-1.0, -3.0])
    segment, category = np.repeat([0, 1], skus), np.tile(np.arange(skus) % 5, 2)
    moves = rng.random(2 * skus) < 0.5
    price = rng.normal(0, 0.15, (2 * skus, WEEKS)) * moves[:, None] + rng.normal(0, 1e-6, (2 * skus, WEEKS))
    elasticity = truth[segment] + rng.normal(0, 0.2, 2 * skus)
    log_units = 4 + elasticity[:, None] * price + rng.normal(0, 0.3, price.shape)
    panel = DemandPanel(
        sku=np.repeat(np.arange(2 * skus), WEEKS),
        week=np.tile(np.arange(WEEKS), 2 * skus),
        log_price=price.ravel(),
        log_units=log_units.ravel(),
        n_skus=2 * skus,
    )
    fit = fit_weekly_demand(panel, parents=(segment * 5 + category, np.arange(10) // 5))
    of_segments = fit.fit.groups[1].mean[:, 1]
    np.testing.assert_allclose(of_segments, truth, atol=0.2)
    still = ~moves
    np.testing.assert_allclose(fit.elasticity_mean[still], truth[segment[still]], atol=0.3)
    assert not fit.informed[still].any() and fit.informed[moves].all()
