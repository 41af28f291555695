"""Elasticities of all SKUs at once: recovery, the closed form one SKU at a time, and calibration."""

import numpy as np
import pytest
from scipy import stats

from optimizer.engine import DemandPanel, ElasticityConfig, available_devices, fit_elasticities
from optimizer.engine.noise import inverse_trigamma, pooled_noise_prior

WEEKS = 30


def simulated(n_skus=2000, seed=0, price_sd=0.12, shop_wide_sales=False):
    """Draw a panel from the model itself, with its truth."""
    rng = np.random.default_rng(seed)
    season = rng.normal(0, 0.3, WEEKS)
    season -= season.mean()
    truth = {
        "elasticity": rng.normal(-1.5, 0.5, n_skus),
        "gamma": rng.normal(1, 0.5, n_skus),
        "delta": rng.normal(0, 0.5, n_skus),
        "level": rng.normal(3, 1, n_skus),
        "noise": np.sqrt(0.16 * 12 / rng.chisquare(12, n_skus)),
        "season": season,
    }
    seen = rng.random((n_skus, WEEKS)) < rng.uniform(0.5, 1, n_skus)[:, None]
    log_price = rng.normal(1, 0.5, n_skus)[:, None] + rng.normal(0, price_sd, (n_skus, WEEKS))
    if shop_wide_sales:
        log_price[:, 10:13] -= 0.2
    reference = (log_price * seen).sum(1) / np.maximum(seen.sum(1), 1)
    trend = (np.arange(WEEKS) - (WEEKS - 1) / 2) / (365.25 / 7)
    log_units = (
        truth["level"][:, None]
        + truth["elasticity"][:, None] * (log_price - reference[:, None])
        + truth["gamma"][:, None] * season
        + truth["delta"][:, None] * trend
        + truth["noise"][:, None] * rng.normal(size=(n_skus, WEEKS))
    )
    sku, week = np.nonzero(seen)
    panel = DemandPanel(
        sku=sku, week=week, log_price=log_price[sku, week], log_units=log_units[sku, week], n_skus=n_skus
    )
    return panel, truth


@pytest.fixture(params=available_devices())
def config(request):
    return ElasticityConfig(device=request.param)


def test_elasticities_season_and_level_are_recovered(config):
    panel, truth = simulated(price_sd=0.3)
    fit = fit_elasticities(panel, config)
    error = fit.elasticity_mean - truth["elasticity"]
    assert abs(error.mean()) < 0.02
    assert error.std() < 0.3  # the prior alone would leave 0.5
    assert np.corrcoef(fit.season, truth["season"])[0, 1] > 0.995
    assert np.median(np.abs(fit.coefficients[:, 0] - truth["level"])) < 0.1
    assert np.median(np.abs(fit.residual_sd / truth["noise"] - 1)) < 0.12
    assert fit.informed.all()
    assert set(fit.notes()) == {""}
    assert ((fit.shrinkage > 0) & (fit.shrinkage < 1)).all()


@pytest.mark.parametrize("seed", range(3))
def test_ninety_percent_intervals_cover_ninety_percent(seed, config):
    panel, truth = simulated(n_skus=4000, seed=seed)
    fit = fit_elasticities(panel, config)
    z = stats.norm.ppf(0.95)
    covered = np.abs(fit.elasticity_mean - truth["elasticity"]) < z * fit.elasticity_sd
    assert 0.88 < covered.mean() < 0.92
    covered = np.abs(fit.coefficients[:, 0] - truth["level"]) < z * fit.log_demand_sd
    assert 0.88 < covered.mean() < 0.92


def test_a_sale_in_the_whole_shop_does_not_pass_for_season(config):
    panel, truth = simulated(shop_wide_sales=True)
    fit = fit_elasticities(panel, config)
    assert abs((fit.elasticity_mean - truth["elasticity"]).mean()) < 0.05


def reference_fit(panel, config, season, trend_origin, noise_prior, iterations):
    """Compute the same posterior one SKU at a time, with dense matrices."""
    prior_mean = np.array([0, config.elasticity_mean, config.season_mean, 0])
    prior_precision = np.diag(np.array([config.intercept_sd, 0.5, config.season_sd, config.trend_sd]) ** -2.0)
    groups = [np.flatnonzero(panel.sku == index) for index in range(panel.n_skus)]
    targets = [panel.log_units[rows] - panel.log_units[rows].mean() for rows in groups]
    common = sum((y**2).sum() for y in targets) / (len(panel) - panel.n_skus)
    freedom, scale = noise_prior
    for rows, y in zip(groups, targets, strict=True):
        log_price = panel.log_price[rows]
        trend = (panel.week[rows] - trend_origin) / config.weeks_per_year
        design = np.column_stack([np.ones(len(rows)), log_price - log_price.mean(), season[panel.week[rows]], trend])
        variance = common
        for step in range(iterations + 1):
            covariance = np.linalg.inv(design.T @ design / variance + prior_precision)
            mean = covariance @ (design.T @ y / variance + prior_precision @ prior_mean)
            if step < iterations:
                expected = ((y - design @ mean) ** 2).sum() + np.trace(design @ covariance @ design.T)
                variance = (freedom * scale + expected) / (freedom + len(rows))
        yield mean + np.array([panel.log_units[rows].mean(), 0, 0, 0]), covariance, variance


def test_the_batch_equals_the_closed_form_one_sku_at_a_time(config):
    panel, _ = simulated(n_skus=60, seed=5)
    fit = fit_elasticities(panel, config)
    expected = reference_fit(panel, config, fit.season, fit.trend_origin, fit.noise_prior, config.noise_iterations)
    for index, (mean, covariance, variance) in enumerate(expected):
        np.testing.assert_allclose(fit.coefficients[index], mean, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(fit.covariance[index], covariance, rtol=1e-8, atol=1e-8)
        assert fit.residual_sd[index] ** 2 == pytest.approx(variance, rel=1e-8)


def test_the_season_is_a_two_way_fixed_effects_fit_where_noise_has_no_outliers(config):
    panel, _ = simulated(n_skus=300, seed=6)
    rng = np.random.default_rng(1)
    season = rng.normal(0, 0.3, WEEKS)
    exact = 2.0 + season[panel.week] - 1.5 * panel.log_price
    fit = fit_elasticities(
        DemandPanel(sku=panel.sku, week=panel.week, log_price=panel.log_price, log_units=exact, n_skus=300), config
    )
    np.testing.assert_allclose(fit.season, season - season.mean(), atol=1e-6)


def test_the_order_of_rows_does_not_matter(config):
    panel, _ = simulated(n_skus=200, seed=2)
    order = np.random.default_rng(3).permutation(len(panel))
    names = ("sku", "week", "log_price", "log_units")
    shuffled = DemandPanel(**{name: getattr(panel, name)[order] for name in names}, n_skus=200)
    first, second = fit_elasticities(panel, config), fit_elasticities(shuffled, config)
    np.testing.assert_allclose(first.coefficients, second.coefficients, atol=1e-8)
    np.testing.assert_allclose(first.covariance, second.covariance, atol=1e-8)


def edge_panel():
    """SKU 0: price never moves; SKU 1: five weeks; SKU 2: no sales; the rest: ordinary."""
    panel, _ = simulated(n_skus=50, seed=4)
    keep = (panel.sku != 2) & ~((panel.sku == 1) & (np.cumsum(panel.sku == 1) > 5))
    log_price = np.where(panel.sku == 0, 1.0, panel.log_price)
    return DemandPanel(
        sku=panel.sku[keep],
        week=panel.week[keep],
        log_price=log_price[keep],
        log_units=panel.log_units[keep],
        n_skus=50,
    )


def test_where_sales_say_nothing_the_prior_stands_exactly_and_a_note_says_why(config):
    fit = fit_elasticities(edge_panel(), config)
    assert fit.elasticity_mean[:3].tolist() == [-1.5] * 3
    assert fit.elasticity_sd[:3].tolist() == [0.5] * 3
    assert fit.shrinkage[:3].tolist() == [0.0] * 3
    assert fit.informed[:4].tolist() == [False, False, False, True]
    assert fit.notes()[:4].tolist() == [
        "no price variation: prior kept",
        "too few weeks: prior kept",
        "no sales: prior kept",
        "",
    ]
    assert np.isnan(fit.base_demand[2]) and np.isfinite(fit.base_demand[[0, 1, 3]]).all()
    assert fit.n_weeks[:3].tolist()[1:] == [5, 0]


def test_demand_at_the_reference_price_is_the_base_demand(config):
    fit = fit_elasticities(edge_panel(), config)
    units, log_sd = fit.demand_at(fit.reference_log_price)
    np.testing.assert_allclose(units, fit.base_demand)
    np.testing.assert_allclose(log_sd, fit.log_demand_sd)
    cheaper, less_sure = fit.demand_at(fit.reference_log_price - 0.2)
    assert (cheaper[3:] > units[3:]).all() and less_sure[3:].mean() > log_sd[3:].mean()
    last, _ = fit.demand_at(fit.reference_log_price, week=29)
    held, _ = fit.demand_at(fit.reference_log_price, week=30)
    assert np.isfinite(last[3:]).all() and not np.allclose(last[3:], held[3:])


def test_base_demand_is_the_mean_of_units_and_not_their_median(config):
    panel, truth = simulated(n_skus=3000, seed=8)
    fit = fit_elasticities(panel, config)
    mean = np.exp(truth["level"] + truth["noise"] ** 2 / 2)
    assert np.median(fit.base_demand / mean) == pytest.approx(1, abs=0.03)


def test_the_pooled_noise_prior_is_recovered():
    import torch

    rng = np.random.default_rng(0)
    true = 0.16 * 12 / rng.chisquare(12, 20_000)
    own = torch.from_numpy(true * rng.chisquare(20, 20_000) / 20)
    freedom, variance = pooled_noise_prior(own, torch.full((20_000,), 20.0, dtype=torch.float64))
    assert freedom == pytest.approx(12, rel=0.08)
    assert variance == pytest.approx(0.16, rel=0.03)


@pytest.mark.parametrize("y", [0.2, 1.0, 6.0, 500.0])
def test_the_inverse_of_trigamma(y):
    from scipy.special import polygamma

    assert inverse_trigamma(float(polygamma(1, y))) == pytest.approx(y, rel=1e-9)


def test_bad_panels_name_the_array_and_the_row():
    panel, _ = simulated(n_skus=3)
    columns = {name: getattr(panel, name) for name in ("sku", "week", "log_price", "log_units")}
    broken = panel.log_units.copy()
    broken[4] = -np.inf
    with pytest.raises(ValueError, match="log_units: row 4"):
        DemandPanel(**(columns | {"log_units": broken}), n_skus=3)
    with pytest.raises(ValueError, match="sku: row"):
        DemandPanel(**columns, n_skus=2)
    with pytest.raises(ValueError, match="week: got"):
        DemandPanel(**(columns | {"week": panel.week[1:]}), n_skus=3)
    nothing = {name: values[:0] for name, values in columns.items()}
    with pytest.raises(ValueError, match="no rows"):
        fit_elasticities(DemandPanel(**nothing, n_skus=3))
