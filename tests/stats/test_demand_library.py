"""Library, its prior and its filter: against plain loops, and recovery of what was simulated."""

import math

import numpy as np
import pytest
from scipy.special import expit

from experiments.stats.demand_library import DemandLibrary, demand_library
from experiments.stats.library_filter import EPOCH_ROUNDS, LibraryFilter
from experiments.stats.library_prior import BASE_STRENGTH, LEVEL_STRENGTH, LibraryPrior

TINY = DemandLibrary(
    shapes=np.array([[0.9, 0.5, 0.1], [0.95, 0.8, 0.4], [0.6, 0.5, 0.4], [0.7, 0.7, 0.1]]),
    levels=np.array([0.1, 0.3, 0.9]),
    midpoints=np.array([0.3, 0.7]),
    slopes=np.array([0.2]),
    families=(2, 1, 1),
)


def tiny_counts(seed, contexts=3, epochs=4):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 6, (epochs, contexts, 3)), rng.integers(0, 9, (epochs, contexts, 3))


def test_curves_of_the_default_library_fall_with_price_and_are_probabilities():
    library = demand_library(11)
    assert library.rates.shape == (len(library.shapes) * len(library.levels), 11)
    assert (np.diff(library.rates, axis=1) <= 1e-12).all()
    assert 0 < library.rates.min() < library.rates.max() < 1
    assert sum(library.families) == len(library.shapes)
    np.testing.assert_allclose(library.shape_drift.sum(axis=1), 1.0)
    np.testing.assert_allclose(library.level_drift.sum(axis=1), 1.0)


def test_the_library_has_a_curve_near_every_logistic_one_of_a_usual_ladder():
    library, x = demand_library(11), np.linspace(0, 1, 11)
    rng = np.random.default_rng(1)
    for m, s, level in zip(
        rng.uniform(0.1, 1, 50), rng.uniform(0.075, 0.25, 50), rng.uniform(0.02, 0.9, 50), strict=True
    ):
        truth = level * expit((m - x) / s)
        assert np.abs(library.rates - truth).max(axis=1).min() < 0.13 * level


def test_a_ladder_of_one_price_is_a_library_too():
    assert demand_library(1).rates.shape[1] == 1


def plain_learned(prior, base, likelihood, rounds):
    """The prior after steps of expectation maximisation on TINY, curve by curve."""
    shape, level = list(prior[0]), list(prior[1])
    for _ in range(rounds):
        by_shape, by_level = [0.0] * 4, [0.0] * 3
        for row in likelihood:
            weights = [[shape[s] * level[v] * row[s * 3 + v] for v in range(3)] for s in range(4)]
            total = sum(map(sum, weights))
            for s in range(4):
                for v in range(3):
                    by_shape[s] += weights[s][v] / total
                    by_level[v] += weights[s][v] / total
        family = [sum(BASE_STRENGTH * base[0][s] + by_shape[s] for s in part) for part in ((0, 1), (2,), (3,))]
        shares = [each / sum(family) for each in family]
        start = [base[0][s] / (base[0][0] + base[0][1]) for s in (0, 1)]
        middle = [BASE_STRENGTH * start[s] + by_shape[s] for s in (0, 1)]
        shape = [shares[0] * middle[0] / sum(middle), shares[0] * middle[1] / sum(middle), shares[1], shares[2]]
        at = [math.log(each) for each in TINY.levels]
        soft = [LEVEL_STRENGTH * b + e for b, e in zip(base[1], by_level, strict=True)]
        mean = sum(w * a for w, a in zip(soft, at, strict=True)) / sum(soft)
        variance = sum(w * (a - mean) ** 2 for w, a in zip(soft, at, strict=True)) / sum(soft)
        variance = max(variance, (0.5 * (at[1] - at[0])) ** 2)
        normal = [math.exp(-0.5 * (a - mean) ** 2 / variance) for a in at]
        level = [each / sum(normal) for each in normal]
    return shape, level


def test_the_learned_prior_equals_a_plain_loop():
    rng = np.random.default_rng(2)
    likelihood = rng.random((5, 12)).astype(np.float32)
    base = LibraryPrior.base(TINY)
    learned = base.learned(TINY, likelihood, base, rounds=4)
    start = (base.shape_weight.tolist(), base.level_weight.tolist())
    shape, level = plain_learned(start, start, likelihood.tolist(), 4)
    np.testing.assert_allclose(learned.shape_weight, shape, rtol=1e-4)
    np.testing.assert_allclose(learned.level_weight, level, rtol=1e-4)
    assert learned.weights.sum() == pytest.approx(1.0, abs=1e-5)


def plain_filter(purchases, rejections, drift, context_hazard):
    """Forward algorithm for one hypothesis on TINY: log evidence by epoch, and the last likelihood."""
    rates = [[s * v for s in shape] for shape in TINY.shapes for v in TINY.levels]
    base = LibraryPrior.base(TINY)
    start = (base.shape_weight.tolist(), base.level_weight.tolist())
    prior, likelihood, evidence = start, [[1.0] * 12 for _ in range(3)], 0.0
    for bought, left in zip(purchases.tolist(), rejections.tolist(), strict=True):
        weights = [s * v for s in prior[0] for v in prior[1]]
        news = []
        for context, row in enumerate(likelihood):
            seen = [
                math.prod(r**b * (1 - r) ** n for r, b, n in zip(rate, bought[context], left[context], strict=True))
                for rate in rates
            ]
            joint = [x * y for x, y in zip(row, seen, strict=True)]
            before, after = (sum(w * x for w, x in zip(weights, each, strict=True)) for each in (row, joint))
            evidence += math.log(after / before)
            news.append(joint)
        prior = plain_learned(prior, start, news, EPOCH_ROUNDS)
        weights = [s * v for s in prior[0] for v in prior[1]]
        likelihood = []
        for row in news:
            moved = [
                sum(
                    TINY.shape_drift[s, t] * TINY.level_drift[v, w] * row[t * 3 + w] for t in range(4) for w in range(3)
                )
                for s in range(4)
                for v in range(3)
            ]
            mixed = [(1 - drift) * x + drift * y for x, y in zip(row, moved, strict=True)]
            anew = sum(w * x for w, x in zip(weights, mixed, strict=True))
            likelihood.append([(1 - context_hazard) * x + context_hazard * anew for x in mixed])
    return evidence, np.array(likelihood), prior


def test_the_filter_equals_a_plain_forward_algorithm():
    """With no newborn hypotheses to speak of, weights of still and drifting demand are those of their evidence."""
    filtered = LibraryFilter(library=TINY, drifts=(0.0, 0.2), context_hazard=0.05, shared_hazard=1e-9)
    purchases, rejections = tiny_counts(3)
    hypotheses = filtered.start(3, 0)
    for epoch, (bought, left) in enumerate(zip(purchases, rejections, strict=True)):
        hypotheses = filtered.fold(hypotheses, bought, left, epoch)
    oldest = {one.drift: one for one in hypotheses if one.born == 0}
    plain = {drift: plain_filter(purchases, rejections, drift, 0.05) for drift in (0.0, 0.2)}
    for drift, (_evidence, likelihood, prior) in plain.items():
        one = oldest[drift]
        np.testing.assert_allclose(one.likelihood, likelihood / likelihood.max(axis=1, keepdims=True), rtol=2e-4)
        np.testing.assert_allclose(one.prior.shape_weight, prior[0], rtol=2e-4)
    odds = oldest[0.2].log_weight - oldest[0.0].log_weight
    assert odds == pytest.approx(plain[0.2][0] - plain[0.0][0] + math.log(0.1 / 0.9), abs=1e-3)


def simulated_likelihood(library, rates, shown, rng):
    purchases = rng.binomial(shown, rates)
    filtered = LibraryFilter(library=library)
    return filtered.updated(filtered.start(len(rates), 0), purchases, shown - purchases, rounds=60)[0]


def test_the_prior_recovers_level_and_midpoints_of_a_simulated_population():
    """Levels around 0.05, midpoints from 0.3 to 0.7 of the ladder, slope 0.15."""
    rng, library, x = np.random.default_rng(4), demand_library(11), np.linspace(0, 1, 11)
    middles, levels = rng.uniform(0.3, 0.7, 200), np.exp(rng.normal(math.log(0.05), 0.3, 200))
    rates = levels[:, None] * expit((middles[:, None] - x) / 0.15)
    prior = simulated_likelihood(library, rates, np.full((200, 11), 150), rng).prior
    log_levels = np.log(library.levels)
    mean = prior.level_weight @ log_levels
    assert mean == pytest.approx(math.log(0.05), abs=0.1)
    assert math.sqrt(prior.level_weight @ (log_levels - mean) ** 2) == pytest.approx(0.3, abs=0.1)
    by_midpoint = prior.shape_weight[: library.families[0]].reshape(len(library.midpoints), -1).sum(axis=1)
    by_midpoint /= by_midpoint.sum()
    center = by_midpoint @ library.midpoints
    assert center == pytest.approx(0.5, abs=0.05)
    assert math.sqrt(by_midpoint @ (library.midpoints - center) ** 2) == pytest.approx(0.115, abs=0.07)
    assert prior.shape_weight[: library.families[0]].sum() > 0.8


def test_a_population_of_cliffs_is_told_from_a_logistic_one():
    rng, library = np.random.default_rng(5), demand_library(11)
    edges = rng.integers(1, 9, 60)
    rates = np.where(np.arange(11) <= edges[:, None], 0.8, 0.1)
    prior = simulated_likelihood(library, rates, np.full((60, 11), 60), rng).prior
    assert prior.shape_weight[-library.families[2] :].sum() > 0.5
