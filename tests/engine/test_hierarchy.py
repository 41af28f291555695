"""Demand of many series at once: exact where it is closed form, calibrated where it is learned."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from optimizer.engine.hierarchy import Effect, HierarchyConfig, SeriesPanel, fit_hierarchy
from optimizer.engine.hierarchy.lanes import LANES
from optimizer.engine.hierarchy.moments import moments
from optimizer.engine.hierarchy.noise import noise_of_series
from optimizer.engine.hierarchy.systems import invert
from optimizer.engine.hierarchy.tree import Information
from optimizer.engine.hierarchy.variances import Tree, _Evidence, solve_up, usual_variances

NAMES = ("log_price", "promotion", "season")
SHOP = np.array([-1.8, 0.4, 0.9])
SPREADS = np.array([[0.4, 0.2, 0.3], [0.3, 0.15, 0.2], [0.25, 0.1, 0.1]])
"""Of SKUs around categories, of categories around departments, of those around the shop."""


def world(kind: str = "plain", *, seed: int = 0, series: int = 4_000, weeks: int = 52, categories: int = 40):
    """Draw a panel from the model, with the true (series, 3) coefficients."""
    rng, departments = np.random.default_rng(seed), 5
    department = SHOP + SPREADS[2] * rng.normal(size=(departments, 3))
    department_of = np.concatenate([np.arange(departments), rng.integers(0, departments, categories - departments)])
    category = department[department_of] + SPREADS[1] * rng.normal(size=(categories, 3))
    category_of = np.concatenate([np.arange(categories), rng.integers(0, categories, series - categories)])
    truth = category[category_of] + SPREADS[0] * rng.normal(size=(series, 3))
    promotion = (rng.random((series, weeks)) < 0.15) * 1.0
    price = rng.normal(0, 0.02 if kind == "weak" else 0.1, (series, weeks))
    if kind == "confounded":
        price = -0.2 * promotion + rng.normal(0, 0.03, (series, weeks))
    features = np.stack([price, promotion, np.tile(rng.normal(0, 0.3, weeks), (series, 1))], -1)
    expected = rng.normal(3, 1, series)[:, None] + (features * truth[:, None]).sum(-1)
    censored = None
    if kind == "counts":
        rate = np.exp(expected - 1.5)
        target = rng.negative_binomial(1 / 0.3, 1 / (1 + 0.3 * rate)).astype(float)
    else:
        noise = np.sqrt(0.16 * 10 / rng.chisquare(10, series))
        target = expected + noise[:, None] * rng.normal(size=(series, weeks))
    if kind == "stock-outs":
        stock = expected.mean(1, keepdims=True) + 0.3 + 0.5 * rng.random((series, weeks))
        censored = (target > stock).ravel()
        target = np.minimum(target, stock)
    panel = SeriesPanel.dense(features, target, NAMES, parents=(category_of, department_of), censored=censored)
    return panel, truth


def coverage(fit, truth) -> np.ndarray:
    ends = [fit.interval(name, 0.9) for name in NAMES]
    return np.array([((low < truth[:, i]) & (truth[:, i] < high)).mean() for i, (low, high) in enumerate(ends)])


@pytest.mark.parametrize("kind", ["plain", "weak", "confounded", "stock-outs", "counts"])
def test_ninety_percent_intervals_cover_ninety_percent(kind):
    config = HierarchyConfig(likelihood="negative_binomial" if kind == "counts" else "lognormal")
    worlds = [world(kind, seed=seed) for seed in range(24 if kind in ("weak", "confounded") else 4)]
    covered = np.mean([coverage(fit_hierarchy(panel, config), truth) for panel, truth in worlds], axis=0)
    assert ((covered >= 0.88) & (covered <= 0.92)).all(), covered


def test_stock_outs_that_are_not_said_bias_what_is_learned():
    panel, truth = world("stock-outs")
    silent = SeriesPanel(
        features=panel.features, names=NAMES, target=panel.target, start=panel.start, parents=panel.parents
    )
    said, unsaid = (fit_hierarchy(each).mean[:, 1:] - truth for each in (panel, silent))
    assert abs(said[:, 0].mean()) < 0.02 < 0.15 < abs(unsaid[:, 0].mean())


def small_tree(seed: int = 1, series: int = 12):
    panel, _ = world(series=series, categories=6, weeks=9, seed=seed)
    parents = (np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 5])[:series], np.array([0, 0, 1, 1, 2, 2]))
    return SeriesPanel(features=panel.features, names=NAMES, target=panel.target, start=panel.start, parents=parents)


def test_the_tree_is_the_gaussian_that_it_stands_for():
    """All coefficients as one normal vector, with its dense covariance, against the messages."""
    panel = small_tree()
    beliefs, known, tree = HierarchyConfig().effects_of(NAMES), moments(panel), Tree.of(panel)
    variances, noise, k = usual_variances(beliefs, 3, 5.0), 0.2, 4
    # Nodes: shop, 3 departments, 6 categories, 12 series; each is its parent plus something of its own.
    parent_of = np.concatenate([[-1], np.zeros(3, int), 1 + panel.parents[1], 4 + panel.parents[0]])
    own = [beliefs.variance, *[variances[2]] * 3, *[variances[1]] * 6, *[variances[0]] * 12]
    covariance = np.zeros((22 * k, 22 * k))
    for node, parent in enumerate(parent_of):
        here = slice(node * k, (node + 1) * k)
        if parent >= 0:
            covariance[here] = covariance[parent * k : (parent + 1) * k]
            covariance[:, here] = covariance[here].T
            covariance[here, here] = covariance[parent * k : (parent + 1) * k, parent * k : (parent + 1) * k]
        covariance[here, here] += np.diag(own[node])
    rows = np.column_stack([np.ones(len(panel.target)), panel.features])
    design = np.zeros((len(rows), 22 * k))
    for row, series in enumerate(panel.series):
        design[row, (10 + series) * k : (11 + series) * k] = rows[row]
    mean = np.tile(beliefs.mean, 22)
    target = panel.target - known.level[panel.series]
    marginal = design @ covariance @ design.T + noise * np.eye(len(target))
    gain = covariance @ design.T @ np.linalg.inv(marginal)
    expected, spread = mean + gain @ (target - design @ mean), covariance - gain @ design @ covariance

    solved = solve_up(Information(known.gram, known.cross, np.full(12, 1 / noise)), tree, variances, beliefs)
    for level, first, count in ((0, 4, 6), (1, 1, 3), (2, 0, 1)):
        nodes = slice(first * k, (first + count) * k)
        np.testing.assert_allclose(solved.posteriors[level].mean.ravel(), expected[nodes], atol=1e-8)
        np.testing.assert_allclose(solved.posteriors[level].variance.ravel(), np.diag(spread)[nodes], atol=1e-8)
    constant = -0.5 * (len(target) * np.log(2 * np.pi * noise) + known.square.sum() / noise)
    evidence = stats.multivariate_normal(design @ mean, marginal).logpdf(target)
    assert solved.log_evidence + constant == pytest.approx(evidence, abs=1e-6)


def test_the_gradient_of_the_evidence_is_its_slope():
    panel = small_tree()
    beliefs, known, tree = HierarchyConfig().effects_of(NAMES), moments(panel), Tree.of(panel)
    evidence = _Evidence(
        Information(known.gram, known.cross, np.full(12, 5.0)), tree, beliefs, usual_variances(beliefs, 3, 5.0)
    )
    point = np.random.default_rng(0).normal(-1, 0.5, 9)
    slope = [
        (evidence.loss(point + step)[0] - evidence.loss(point - step)[0]) / 2e-5 for step in np.eye(len(point)) * 1e-5
    ]
    np.testing.assert_allclose(evidence.loss(point)[1], slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("features", [1, 8, 11])
def test_moments_are_the_sums_of_each_series_rows(features):
    """Narrower than the lanes of a register, as wide, and wider; rows that go up in fours, that do not, and none."""
    rng, size = np.random.default_rng(features), np.array([5, 0, 52, 1, 3])
    start = np.append(0, np.cumsum(size))
    panel = SeriesPanel(
        features=rng.normal(2, 1, (61, features)),
        names=tuple(f"driver_{i}" for i in range(features)),
        target=rng.normal(5, 1, 61),
        start=start,
    )
    known = moments(panel)
    for series, (begin, end) in enumerate(pairwise(start)):
        design, target = np.column_stack([np.ones(end - begin), panel.features[begin:end]]), panel.target[begin:end]
        level = target.mean() if len(target) else 0.0
        gram = (design.T @ design)[np.tril_indices(features + 1)]
        np.testing.assert_allclose(known.gram[series], gram, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(known.cross[series], design.T @ (target - level), atol=1e-11)
        np.testing.assert_allclose(known.square[series], ((target - level) ** 2).sum(), atol=1e-12)
        assert known.level[series] == pytest.approx(level, rel=1e-12)


@pytest.mark.parametrize("k", [1, 7, 12])
def test_eight_systems_are_inverted_at_once(k):
    rows = np.random.default_rng(k).normal(size=(LANES, 20, k))
    matrices = np.einsum("lti,ltj->lij", rows, rows)
    inverse = np.empty((k * k, LANES))
    invert(matrices.reshape(LANES, k * k).T.copy(), k, inverse)
    np.testing.assert_allclose(inverse.T.reshape(LANES, k, k), np.linalg.inv(matrices), rtol=1e-9, atol=1e-12)


def test_a_series_alone_is_the_textbooks_regression():
    """Coefficients and noise of one series against the normal equations in float64, iterated to their fixed point."""
    panel = small_tree()
    known, prior, variances = moments(panel), (4.0, 0.1), np.array([25.0, 0.25, 0.09, 0.16])
    means = np.tile([0.0, -1.5, 0.3, 1.0], (6, 1))
    noise, residual, freedom = noise_of_series(known, panel.parents[0], means, variances, prior)
    for series in range(len(panel)):
        rows = slice(panel.start[series], panel.start[series + 1])
        design = np.column_stack([np.ones(9), panel.features[rows]])
        target, variance = panel.target[rows] - panel.target[rows].mean(), prior[1]
        for _ in range(3):
            precision = design.T @ design / variance + np.diag(1 / variances)
            posterior = np.linalg.solve(precision, design.T @ target / variance + means[0] / variances)
            left = ((target - design @ posterior) ** 2).sum()
            spent = np.trace(design.T @ design @ np.linalg.inv(precision))
            used, variance = variance, (prior[0] * prior[1] + left + spent) / (prior[0] + 9)
        assert noise[series] == pytest.approx(variance, rel=1e-9)
        assert residual[series] == pytest.approx(left, rel=1e-9)
        assert freedom[series] == pytest.approx(9 - spent / used, rel=1e-9)


def test_spreads_and_the_shop_are_recovered_and_float32_is_as_good():
    spreads = [fit_hierarchy(world(seed=seed)[0]).spread[0, 1:] for seed in range(10)]
    assert np.abs(np.mean(spreads, axis=0) / SPREADS[0] - 1).max() < 0.05
    panel, _ = world()
    fit = fit_hierarchy(panel)
    assert (np.abs(fit.shop.mean[0, 1:] - SHOP) < 3 * fit.shop.sd[0, 1:]).all()
    single = SeriesPanel(
        features=panel.features.astype(np.float32),
        names=NAMES,
        target=panel.target.astype(np.float32),
        start=panel.start,
        parents=panel.parents,
    )
    np.testing.assert_allclose(fit_hierarchy(single).mean, fit.mean, atol=1e-4)


def test_a_series_without_rows_gets_its_categorys_coefficients_with_its_spread():
    panel = small_tree()
    start = np.append(panel.start, panel.start[-1])
    grown = SeriesPanel(
        features=panel.features,
        names=NAMES,
        target=panel.target,
        start=start,
        parents=(np.append(panel.parents[0], 2), panel.parents[1]),
    )
    config = HierarchyConfig(effects={name: Effect(spread=0.3, spread_log_sd=0.0) for name in NAMES})
    fit = fit_hierarchy(grown, config)
    np.testing.assert_allclose(fit.mean[-1, 1:], fit.groups[0].mean[2, 1:])
    np.testing.assert_allclose(fit.sd[-1, 1:] ** 2, fit.groups[0].sd[2, 1:] ** 2 + 0.09)


def test_series_of_one_population_need_no_categories_and_the_draw_does_not_matter_much():
    panel, truth = world(series=6_000)
    alone = SeriesPanel(features=panel.features, names=NAMES, target=panel.target, start=panel.start)
    fit = fit_hierarchy(alone)
    assert fit.groups == () and fit.learned_from == 4_000 and fit.spread.shape == (1, 4)
    assert np.corrcoef(fit.mean[:, 1], truth[:, 0])[0, 1] > 0.6
    again = fit_hierarchy(alone, HierarchyConfig(seed=5))
    assert np.abs(again.mean - fit.mean).max() < 0.1


def test_what_is_wrong_is_named_with_its_cure():
    panel = small_tree()
    whole = {name: getattr(panel, name) for name in ("features", "names", "target", "start", "parents")}
    broken = panel.features.copy()
    broken[20, 1] = np.nan
    for message, fields in {
        "features: got float64": {"features": panel.features[:-1]},
        "start: give": {"start": panel.start + 1},
        r"parents\[0\]: got shape": {"parents": (panel.parents[0][:-1],)},
        "censored: got": {"censored": np.zeros(3, bool)},
        "promotion: series 2 has a value that is not finite": {"features": broken},
    }.items():
        with pytest.raises(ValueError, match=message):
            fit_hierarchy(SeriesPanel(**whole | fields))
    with pytest.raises(ValueError, match="likelihood: got 'normal'; give"):
        HierarchyConfig(likelihood="normal")
    with pytest.raises(ValueError, match="counts are 0 or above"):
        fit_hierarchy(SeriesPanel(**whole | {"target": panel.target - 100}), HierarchyConfig(likelihood="poisson"))
    with pytest.raises(ValueError, match="there are level, log_price"):
        fit_hierarchy(panel).interval("price")


@pytest.mark.parametrize("likelihood", ["lognormal", "poisson"])
def test_a_category_of_which_nothing_was_drawn_keeps_its_place(likelihood):
    panel, truth = world("counts" if likelihood == "poisson" else "plain", series=300, categories=60)
    few = HierarchyConfig(learn_from=40, likelihood=likelihood)  # most categories have no series among them
    fit = fit_hierarchy(panel, few)
    assert fit.groups[0].mean.shape == (60, 4) and np.isfinite(fit.mean).all() and np.isfinite(fit.sd).all()
    assert np.abs(fit.mean[:, 1:] - truth).mean() < 0.5
