"""Causal elasticities: the libraries' and the textbooks' numbers; intervals that hold where instruments are weak."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from linearmodels.datasets import card, mroz
from linearmodels.iv import IV2SLS
from linearmodels.panel import PanelOLS
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold

from optimizer.engine.causal import (
    CausalPanel,
    cost_shifter,
    double_machine_learning,
    fixed_effects,
    other_regions_price,
    rivals_characteristic,
    two_stage_least_squares,
)
from optimizer.engine.causal.weak import Scores, anderson_rubin, anderson_rubin_intervals, effective_f
from optimizer.engine.causal.within import within

TRUTH = -2.0


def market(seed: int, *, strength: float = 0.5, products: int = 60, weeks: int = 30, instruments: int = 1):
    """Draw a panel in which shops raise prices when demand is high; costs move them, too."""
    rng = np.random.default_rng(seed)
    shape = (products, weeks)
    shock = rng.normal(0, 0.3, shape) + rng.normal(0, 0.2, weeks)
    costs = rng.normal(0, 0.2, (instruments, *shape))
    price = rng.normal(1, 0.5, products)[:, None] + strength * costs.sum(0) + 0.5 * shock + rng.normal(0, 0.05, shape)
    units = rng.normal(3, 1, products)[:, None] + TRUTH * price + shock + rng.normal(0, 0.1, shape)
    entity, week = np.divmod(np.arange(products * weeks), weeks)
    return CausalPanel(
        log_units=units.ravel(),
        log_price=price.ravel(),
        entity=entity,
        week=week,
        instruments={f"cost {number}": cost.ravel() for number, cost in enumerate(costs)},
    )


def dummies(panel: CausalPanel) -> np.ndarray:
    """Return an indicator a product and week: what taking means out stands for."""
    keys = pd.DataFrame({"entity": panel.entity, "week": panel.week}).astype("category")
    return np.column_stack([pd.get_dummies(keys["entity"]), pd.get_dummies(keys["week"]).iloc[:, 1:]]).astype(float)


def test_where_prices_follow_demand_least_squares_is_biased_and_instruments_are_not():
    estimates = [(fixed_effects(panel), two_stage_least_squares(panel)) for panel in map(market, range(100))]
    naive, ours = zip(*estimates, strict=True)
    assert np.mean([each.elasticity for each in naive]) > TRUTH + 0.5
    assert np.mean([each.elasticity for each in ours]) == pytest.approx(TRUTH, abs=0.02)
    assert not any(each.interval[0] < TRUTH < each.interval[1] for each in naive)
    assert 0.90 <= np.mean([each.interval[0] < TRUTH < each.interval[1] for each in ours]) <= 0.99
    assert min(each.effective_f for each in ours) > 100 and not any(each.warnings for each in ours)


def test_two_stage_least_squares_is_linearmodels_with_an_indicator_for_every_product_and_week():
    panel = market(3, products=12, weeks=10, instruments=2)
    ours = two_stage_least_squares(panel)
    model = IV2SLS(panel.log_units, dummies(panel), panel.log_price, np.column_stack(list(panel.instruments.values())))
    theirs = model.fit(cov_type="clustered", clusters=panel.entity)
    assert ours.elasticity == pytest.approx(theirs.params.iloc[-1], abs=1e-6)
    assert ours.sd == pytest.approx(theirs.std_errors.iloc[-1], abs=1e-6)
    assert ours.overidentification.freedom == 1 and 0 < ours.overidentification.p_value < 1


def test_fixed_effects_are_linearmodels_and_the_within_transformation_statsmodels_with_indicators():
    panel = market(4, products=15, weeks=8)
    ours = fixed_effects(panel)
    index = pd.MultiIndex.from_arrays([panel.entity, panel.week])
    frame = pd.DataFrame({"y": panel.log_units, "x": panel.log_price}, index=index)
    theirs = PanelOLS(frame["y"], frame[["x"]], entity_effects=True, time_effects=True).fit(
        cov_type="clustered", cluster_entity=True
    )
    assert (ours.elasticity, ours.sd) == pytest.approx((theirs.params["x"], theirs.std_errors["x"]), abs=1e-6)
    design = np.column_stack([panel.log_price, dummies(panel)])
    plain = sm.OLS(panel.log_units, design).fit()
    left = within(np.column_stack([panel.log_units, panel.log_price]), panel.entity, panel.week)
    assert left[:, 0] @ left[:, 1] / (left[:, 1] @ left[:, 1]) == pytest.approx(plain.params[0], abs=1e-8)
    assert ours.elasticity == pytest.approx(plain.params[0], abs=1e-6)


def test_an_unbalanced_panel_is_taken_apart_as_indicators_do():
    rng, whole = np.random.default_rng(5), market(5, products=15, weeks=12)
    kept = rng.random(len(whole)) < 0.6
    panel = CausalPanel(
        log_units=whole.log_units[kept],
        log_price=whole.log_price[kept],
        entity=whole.entity[kept],
        week=whole.week[kept],
        instruments={name: values[kept] for name, values in whole.instruments.items()},
    )
    theirs = IV2SLS(panel.log_units, dummies(panel), panel.log_price, panel.instruments["cost 0"])
    assert two_stage_least_squares(panel).elasticity == pytest.approx(theirs.fit().params.iloc[-1], abs=1e-6)


def test_double_machine_learning_is_the_slope_between_what_both_models_leave():
    rng, panel = np.random.default_rng(6), market(6)
    season = rng.normal(size=len(panel))
    panel = CausalPanel(
        log_units=panel.log_units + season,
        log_price=panel.log_price + 0.4 * season,
        entity=panel.entity,
        week=panel.week,
        controls={"season": season},
    )
    ours, slopes = double_machine_learning(panel, nuisance=LinearRegression)
    columns = within(np.column_stack([panel.log_units, panel.log_price, season]), panel.entity, panel.week)
    left = np.empty((len(panel), 2))
    for train, held in GroupKFold(5, shuffle=True, random_state=0).split(columns, groups=panel.entity):
        for column in (0, 1):
            model = LinearRegression().fit(columns[train, 2:], columns[train, column])
            left[held, column] = columns[held, column] - model.predict(columns[held, 2:])
    theirs = sm.OLS(left[:, 0], left[:, 1]).fit(cov_type="HC1")
    assert slopes == {}
    assert (ours.elasticity, ours.sd) == pytest.approx((theirs.params[0], theirs.bse[0]), abs=1e-6)


def test_double_machine_learning_finds_what_the_elasticity_depends_on():
    rng, products, weeks = np.random.default_rng(7), 200, 40
    entity, week = np.divmod(np.arange(products * weeks), weeks)
    premium = rng.random(products)[entity] < 0.5
    season = rng.normal(size=len(entity))
    price = np.sin(season) + rng.normal(0, 0.2, len(entity))
    units = (-2.5 + 1.0 * premium) * price + np.cos(season) + rng.normal(0, 0.3, len(entity))
    panel = CausalPanel(log_units=units, log_price=price, entity=entity, week=week, controls={"season": season})
    from sklearn.ensemble import RandomForestRegressor

    forest = partial(RandomForestRegressor, n_estimators=40, min_samples_leaf=20, random_state=0, n_jobs=2)
    found, slopes = double_machine_learning(panel, nuisance=forest, by={"premium": premium.astype(float)})
    assert found.elasticity == pytest.approx(-2.5 + premium.mean(), abs=0.06)
    assert slopes["premium"][0] == pytest.approx(1.0, abs=0.1) and slopes["premium"][1] < 0.05


def textbook(data: pd.DataFrame, outcome: str, cause: str, controls: list[str], instruments: list[str]) -> tuple:
    """Return outcome, cause and instruments with the controls and a constant taken out."""
    held = sm.add_constant(data[controls]).to_numpy()
    columns = data[[outcome, cause, *instruments]].to_numpy(dtype=float)
    left = columns - held @ np.linalg.lstsq(held, columns, rcond=None)[0]
    return left[:, 0], left[:, 1], left[:, 2:]


def test_wooldridges_return_to_education_of_working_women():
    """Wooldridge (2013), example 15.5: 0.0614 by both parents' education, first-stage F 55.40 (usual errors)."""
    data = mroz.load().dropna(subset=["wage"])
    wage, education, parents = textbook(data, "lwage", "educ", ["exper", "expersq"], ["motheduc", "fatheduc"])
    slope = IV2SLS(wage, None, education, parents).fit(cov_type="unadjusted").params.iloc[0]
    assert slope == pytest.approx(0.0614, abs=5e-5)
    scores = Scores.of(wage, education, parents, np.arange(len(data)))
    assert 45 < effective_f(scores) < 60  # robust, so near 55.4 and not the same
    ((low, high),) = anderson_rubin_intervals(scores, 0.95)
    assert -0.03 < low < 0.0614 < high < 0.15


def test_cards_return_to_education_by_distance_to_college():
    """Card (1995), table 3A, model 5: 0.132 (0.055); Anderson and Rubin's interval is longer upwards."""
    data = card.load()
    regions = [f"reg{number}" for number in range(662, 670)]
    controls = ["exper", "expersq", "black", "smsa", "south", "smsa66", *regions]
    wage, education, near = textbook(data, "lwage", "educ", controls, ["nearc4"])
    found = IV2SLS(wage, None, education, near).fit(cov_type="unadjusted")
    assert found.params.iloc[0] == pytest.approx(0.1315, abs=5e-4)
    assert found.std_errors.iloc[0] == pytest.approx(0.055, abs=1e-3)
    scores = Scores.of(wage, education, near, np.arange(len(data)))
    assert 12 < effective_f(scores) < 16
    ((low, high),) = anderson_rubin_intervals(scores, 0.95)
    assert high - 0.1315 > 0.1315 - low > 0


@pytest.mark.parametrize("instruments", [1, 3])
def test_anderson_and_rubin_cover_where_the_usual_interval_does_not(instruments):
    """A first stage of hardly any strength, errors strongly related: by 2,000 draws."""
    rng, rows, covered_usual, covered_robust = np.random.default_rng(8), 200, 0, 0
    for _ in range(2_000):
        z, common = rng.normal(size=(rows, instruments)), rng.normal(size=rows)
        price = 0.05 * z.sum(1) + common
        units = TRUTH * price + 0.95 * common + 0.3 * rng.normal(size=rows)
        scores = Scores.of(units, price, z, np.arange(rows))
        covered_robust += anderson_rubin(scores, TRUTH) <= {1: 3.841459, 3: 7.814728}[instruments]
        fitted = z @ np.linalg.lstsq(z, price, rcond=None)[0]
        slope = fitted @ units / (fitted @ price)
        residual = units - slope * price
        sd = np.sqrt((fitted**2 * residual**2).sum()) / abs(fitted @ price)
        covered_usual += abs(slope - TRUTH) < 1.96 * sd
    assert 0.93 <= covered_robust / 2_000 <= 0.97
    assert covered_usual / 2_000 < 0.9


def test_a_weak_instrument_is_warned_of_and_is_no_belief():
    panel = market(9, strength=0.005, products=20, weeks=10)
    found = two_stage_least_squares(panel)
    assert found.effective_f < 10 and "weak instruments" in found.warnings[0]
    assert any(np.isinf(end) for interval in found.robust_intervals for end in interval)
    with pytest.raises(ValueError, match="no belief to begin with: weak instruments"):
        found.as_effect()
    strong = two_stage_least_squares(market(9)).as_effect(spread=0.4)
    assert strong.mean == pytest.approx(TRUTH, abs=0.2) and strong.spread == 0.4


def test_instruments_that_contradict_each_other_are_said():
    panel = market(10, instruments=2)
    broken = CausalPanel(
        log_units=panel.log_units + 0.5 * panel.instruments["cost 1"],
        log_price=panel.log_price,
        entity=panel.entity,
        week=panel.week,
        instruments=panel.instruments,
    )
    assert two_stage_least_squares(panel).warnings == ()
    assert "contradict each other" in two_stage_least_squares(broken).warnings[0]


def test_instruments_are_built_from_the_panel():
    product, region, week = np.array([1, 1, 1, 2, 2]), np.array([0, 1, 2, 0, 1]), np.zeros(5, dtype=int)
    price = np.array([1.0, 2.0, 6.0, 5.0, 7.0])
    np.testing.assert_allclose(other_regions_price(price, product, region, week), [4.0, 3.5, 1.5, 7.0, 5.0])
    assert np.isnan(other_regions_price(price[:1], product[:1], region[:1], week[:1])).all()
    size, category = np.array([1.0, 2.0, 4.0]), np.array([0, 0, 1])
    np.testing.assert_allclose(rivals_characteristic(size, np.arange(3), category, week[:3]), [2.0, 1.0, 0.0])
    cost, entity, weeks = np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 0, 0, 1]), np.array([1, 2, 3, 2])
    np.testing.assert_allclose(cost_shifter(cost, lag=1, entity=entity, week=weeks), [np.nan, 1.0, 2.0, np.nan])


def test_what_is_wrong_is_named_with_its_cure():
    panel = market(11, products=5, weeks=6)
    rows = {"log_units": panel.log_units, "log_price": panel.log_price, "entity": panel.entity, "week": panel.week}
    with pytest.raises(ValueError, match="instruments: none is given"):
        two_stage_least_squares(CausalPanel(**rows))
    with pytest.raises(ValueError, match="tax: it does not move within products and weeks"):
        two_stage_least_squares(CausalPanel(**rows, instruments={"tax": panel.entity * 0.1}))
    with pytest.raises(ValueError, match="cost: got shape"):
        CausalPanel(**rows, instruments={"cost": np.zeros(3)})
    with pytest.raises(ValueError, match="log_price: row 2 is not finite"):
        CausalPanel(**rows | {"log_price": np.where(np.arange(len(panel)) == 2, np.nan, panel.log_price)})
    still = {"log_price": panel.entity.astype(float)}
    with pytest.raises(ValueError, match="log_price: it does not move within products and weeks"):
        fixed_effects(CausalPanel(**rows | still))
    with pytest.raises(ValueError, match="controls: none is given"):
        double_machine_learning(panel, nuisance=LinearRegression)


def test_an_interval_narrower_than_the_steps_of_the_search_is_found():
    rng = np.random.default_rng(12)
    z = rng.normal(size=(20_000, 1))
    price = z[:, 0] + 0.01 * rng.normal(size=20_000)
    scores = Scores.of(-1.5037 * price + 0.05 * rng.normal(size=20_000), price, z, np.arange(20_000))
    ((low, high),) = anderson_rubin_intervals(scores, 0.95)
    assert low < -1.5037 < high and high - low < 0.003
