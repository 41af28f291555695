"""A method beside simple ones as time goes on: the numbers, and that they tell good from bad."""

import numpy as np
import pytest

from optimizer.engine import DemandPanel
from optimizer.engine.hierarchy import fit_weekly_demand
from optimizer.engine.validation import DemandLine, backtest, compare, simple_methods, split_by_time
from tests.engine.test_price_changes import known_market

NAMES = ["ols", "pooled", "fixed_prior"]


def hierarchical(train: DemandPanel) -> DemandLine:
    return fit_weekly_demand(train).line


def test_a_good_method_is_better_than_the_simple_ones_and_a_bad_one_worse():
    panel, _ = known_market()
    found = backtest(panel, hierarchical)
    assert [origin.week for origin in found.origins] == [28, 32, 36] and list(found.comparisons) == NAMES
    assert all(0 < each.low < each.improvement < each.high for each in found.comparisons.values())
    assert found.comparisons["ols"].rows == sum(origin.rows for origin in found.origins)

    def opposite(train: DemandPanel) -> DemandLine:
        line = hierarchical(train)
        return DemandLine(elasticity=-line.elasticity, level=line.level, reference=line.reference)

    worse = backtest(panel, opposite)
    assert all(each.high < 0 for each in worse.comparisons.values())


def test_errors_are_those_of_a_direct_computation():
    panel, truth = known_market(skus=30, weeks=20)

    def known(train: DemandPanel) -> DemandLine:
        price = [train.log_price[train.sku == sku].mean() for sku in range(30)]
        units = [train.log_units[train.sku == sku].mean() for sku in range(30)]
        return DemandLine(elasticity=truth, level=np.array(units), reference=np.array(price))

    found = backtest(panel, known, origins=2, held_weeks=5)
    assert [origin.week for origin in found.origins] == [10, 15]
    all_errors = []
    for origin in found.origins:
        before = panel.week < origin.week
        errors = []
        for week in range(origin.week, origin.week + 5):
            here, left, away = panel.week == week, [], []
            for sku, price, units in zip(panel.sku[here], panel.log_price[here], panel.log_units[here], strict=True):
                own = before & (panel.sku == sku)
                away.append(price - panel.log_price[own].mean())
                left.append(units - panel.log_units[own].mean() - truth[sku] * away[-1])
            errors += [abs(e - np.median(left)) for e, x in zip(left, away, strict=True) if abs(x) >= 0.05]
        assert origin.rows == len(errors) and origin.errors["method"] == pytest.approx(np.mean(errors))
        all_errors += errors
    ols = found.comparisons["ols"]
    assert ols.error == pytest.approx(np.mean(all_errors)) and ols.rows == len(all_errors)
    others = sum(origin.rows * origin.errors["ols"] for origin in found.origins) / ols.rows
    assert ols.improvement == pytest.approx(1 - ols.error / others)


def test_of_one_origin_it_is_the_comparison_of_two_lines():
    panel, _ = known_market(skus=80)
    found = backtest(panel, hierarchical, origins=1)
    train, held = split_by_time(panel, 36)
    assert found.comparisons["pooled"] == compare(hierarchical(train), simple_methods(train)["pooled"], held)


def test_the_simple_methods_are_the_textbooks():
    flat = DemandPanel(
        sku=np.repeat(np.arange(3), 4),
        week=np.tile(np.arange(4), 3),
        log_price=np.tile([0.0, 0.1, 0.1, 0.0], 3),
        log_units=np.repeat([-1.0, -2.0, -3.0], 4) * np.tile([0.0, 0.1, 0.1, 0.0], 3),
        n_skus=4,
    )
    lines = simple_methods(flat)
    # What a week was for all SKUs together is taken for its season: only differences between SKUs are left, around
    # the usual -1.5 that was taken out before.
    slopes = lines["ols"].elasticity[:3]
    np.testing.assert_allclose(np.diff(slopes), -1, atol=1e-9)
    assert lines["ols"].elasticity[3] == 0 and np.isnan(lines["ols"].level[3])
    np.testing.assert_allclose(lines["pooled"].elasticity, slopes.mean())
    squares = 4 * 0.05**2
    left = sum((flat.log_price[:4] - 0.05) ** 2) * sum((slopes - slopes.mean()) ** 2) / (12 - 3 - 1)
    expected = (squares * slopes - 1.5 * left / 0.25) / (squares + left / 0.25)
    np.testing.assert_allclose(lines["fixed_prior"].elasticity[:3], expected)
    assert lines["fixed_prior"].elasticity[3] == pytest.approx(-1.5)


def test_too_few_weeks_or_prices_that_never_change_leave_nothing_to_predict():
    panel, _ = known_market(skus=20, weeks=7)
    with pytest.raises(ValueError, match="give 8 weeks or more, with prices that change"):
        backtest(panel, hierarchical)
    panel, _ = known_market(skus=20)
    still = DemandPanel(
        sku=panel.sku, week=panel.week, log_price=np.ones(len(panel)), log_units=panel.log_units, n_skus=20
    )
    with pytest.raises(ValueError, match="nothing to predict"):
        backtest(still, hierarchical)
    assert [origin.week for origin in backtest(panel, hierarchical, least_weeks=34).origins] == [36]
