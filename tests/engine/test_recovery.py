"""Elasticities of simulated sales: found by a method that is right, missed by one that is too sure."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer.engine import DemandPanel, ElasticityConfig, fit_elasticities
from optimizer.engine.hierarchy import fit_weekly_demand
from optimizer.engine.validation import DemandBelief, ElasticityPosterior, recover

SKUS, WEEKS = 3_000, 40
CONFIG = ElasticityConfig(device="cpu")


def prices(seed: int = 0, skus: int = SKUS) -> DemandPanel:
    """Draw prices that move by 1 to 25 %, each SKU by its own share; the units mean nothing."""
    rng = np.random.default_rng(seed)
    log_price = rng.normal(0, rng.uniform(0.01, 0.25, (skus, 1)), (skus, WEEKS)) + rng.normal(1, 0.4, (skus, 1))
    sku, week = np.divmod(np.arange(skus * WEEKS), WEEKS)
    return DemandPanel(
        sku=sku, week=week + 7, log_price=log_price.ravel(), log_units=np.zeros(skus * WEEKS), n_skus=skus
    )


def usual(panel: DemandPanel) -> DemandBelief:
    """Believe of every SKU what the independent method believes before it sees sales."""
    rng, config = np.random.default_rng(1), CONFIG
    mean = np.tile([0.0, config.elasticity_mean, config.season_mean, 0.0], (panel.n_skus, 1))
    mean[:, 0] = rng.normal(3, 1, panel.n_skus)
    season = rng.normal(0, 0.3, WEEKS)
    count = np.bincount(panel.sku, minlength=panel.n_skus)
    with np.errstate(invalid="ignore"):
        reference = np.bincount(panel.sku, panel.log_price, panel.n_skus) / count
    return DemandBelief(
        mean=mean,
        sd=np.tile([0.1, config.elasticity_sd, config.season_sd, config.trend_sd], (panel.n_skus, 1)),
        reference=reference,
        season=season - season.mean(),
        first_week=7,
        trend_origin=20.0,
        weeks_per_year=config.weeks_per_year,
        noise_sd=np.full(panel.n_skus, 0.4),
    )


def independent(panel: DemandPanel, chosen: np.ndarray) -> ElasticityPosterior:
    found = fit_elasticities(panel, CONFIG)
    return ElasticityPosterior(mean=found.elasticity_mean, sd=found.elasticity_sd)


def hierarchical(panel: DemandPanel, chosen: np.ndarray) -> ElasticityPosterior:
    found = fit_weekly_demand(panel, parents=(chosen % 5,))
    return ElasticityPosterior(mean=found.elasticity_mean, sd=found.elasticity_sd)


@pytest.mark.parametrize("learn", [independent, hierarchical])
def test_intervals_of_a_method_that_is_right_hold_what_they_promise(learn):
    panel = prices()
    found = recover(usual(panel), panel, learn)
    assert found.whole.skus == 2_000 and list(found.whole.coverage) == [0.5, 0.8, 0.9, 0.95]
    for part in (found.whole, *found.thirds):
        assert all(abs(held - asked) < 0.045 for asked, held in part.coverage.items()), part
        assert abs(part.bias) < 0.06
    assert all(abs(held - asked) < 0.03 for asked, held in found.whole.coverage.items())


def test_the_more_prices_moved_the_better_is_the_truth_known():
    panel = prices()
    little, some, much = recover(usual(panel), panel, independent).thirds
    assert little.log_price_sd < 0.1 < some.log_price_sd < 0.16 < much.log_price_sd
    assert little.rmse > some.rmse > much.rmse and little.correlation < some.correlation < much.correlation
    assert little.shrinkage > some.shrinkage > much.shrinkage > 0


def too_sure(panel: DemandPanel, chosen: np.ndarray) -> ElasticityPosterior:
    found = independent(panel, chosen)
    return replace(found, sd=found.sd / 2)


def biased(panel: DemandPanel, chosen: np.ndarray) -> ElasticityPosterior:
    found = independent(panel, chosen)
    return replace(found, mean=found.mean + 0.5)


def test_a_method_that_is_too_sure_or_biased_is_caught():
    panel = prices()
    belief = usual(panel)
    sure, off = recover(belief, panel, too_sure).whole, recover(belief, panel, biased).whole
    assert sure.coverage[0.9] < 0.65 and sure.coverage[0.5] < 0.35
    assert off.coverage[0.9] < 0.8 and off.bias == pytest.approx(0.5, abs=0.05)


def test_beliefs_that_the_sales_contradict_are_caught():
    """Elasticities around -3 that a tight prior around -1.5 learns."""
    panel = prices()
    belief = usual(panel)
    belief.mean[:, 1], belief.sd[:, 1] = -3.0, 0.3
    found = recover(belief, panel, independent).whole
    assert found.coverage[0.9] < 0.6 and found.bias > 0.5


def test_numbers_are_those_of_the_points_and_the_same_for_a_seed():
    panel = prices(skus=200)
    found, again, other = (recover(usual(panel), panel, independent, seed=seed) for seed in (3, 3, 4))
    true, estimated, sd = found.points.T
    assert found.points.shape == (200, 3) and found.whole.skus == 200
    assert found.whole.bias == pytest.approx((estimated - true).mean())
    assert found.whole.rmse == pytest.approx(np.sqrt(((estimated - true) ** 2).mean()))
    assert found.whole.correlation == pytest.approx(np.corrcoef(true, estimated)[0, 1])
    assert found.whole.shrinkage == pytest.approx(1 - np.polyfit(true, estimated, 1)[0])
    assert found.whole.coverage[0.9] == pytest.approx((np.abs(estimated - true) < 1.644854 * sd).mean())
    assert [third.skus for third in found.thirds] == [67, 67, 66]
    np.testing.assert_array_equal(found.points, again.points)
    assert not np.array_equal(found.points, other.points)


def test_skus_without_sales_are_left_out_and_the_learner_is_told_which_are_in():
    panel = prices(skus=30)
    told = []

    def learn(simulated: DemandPanel, chosen: np.ndarray) -> ElasticityPosterior:
        told.append(chosen)
        assert simulated.n_skus == len(chosen) == len(np.unique(simulated.sku))
        return independent(simulated, chosen)

    belief = usual(panel.of(np.arange(20)))
    gap = DemandPanel(sku=panel.sku, week=panel.week, log_price=panel.log_price, log_units=panel.log_units, n_skus=40)
    found = recover(usual(gap), gap, learn, skus=25, points=10)
    assert len(told[0]) == 25 and max(told[0]) < 30 and found.points.shape == (10, 3)
    with pytest.raises(ValueError, match="11 SKUs have sales: give 12 or more"):
        recover(belief, panel.of(np.arange(11)), learn)


def test_the_same_estimate_for_all_says_nothing_of_which_is_higher():
    panel = prices(skus=50)

    def constant(simulated: DemandPanel, chosen: np.ndarray) -> ElasticityPosterior:
        return ElasticityPosterior(mean=np.full(50, -1.5), sd=np.full(50, 0.5))

    found = recover(usual(panel), panel, constant).whole
    assert (found.correlation, found.shrinkage) == (0, pytest.approx(1))


def test_a_panel_of_some_skus_has_their_rows_and_numbers_them_anew():
    panel = prices(skus=6)
    part = panel.of(np.array([4, 1]))
    assert part.n_skus == 2 and len(part) == 2 * WEEKS
    np.testing.assert_array_equal(part.log_price[part.sku == 0], panel.log_price[panel.sku == 4])
    np.testing.assert_array_equal(part.log_price[part.sku == 1], panel.log_price[panel.sku == 1])
