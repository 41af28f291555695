"""Forecasters that are trained on a simulated shop."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from safetensors.numpy import load, save

from optimizer.engine.forecasting import (
    SEGMENTS,
    Forecaster,
    ForecasterConfig,
    SeriesPanel,
    backtest,
    from_bytes,
    to_bytes,
    train_forecaster,
)
from optimizer.engine.forecasting.forecaster import NAIVE

SMALL = ForecasterConfig(
    hidden=16, layers=1, history=28, patch=7, horizon=14, max_steps=100, batch=32, boosting=False, device="cpu"
)


@cache
def shop(series: int = 60, time: int = 120) -> SeriesPanel:
    """Return Poisson demand by weekday, the shop closed on one of them, answering to price; some series are new."""
    draw = np.random.default_rng(7)
    ahead = time + 14
    weekday = np.arange(ahead) % 7
    price = np.exp(draw.normal(1, 0.3, series))[:, None] * np.where(draw.random((series, ahead)) < 0.1, 0.8, 1.0)
    rate = np.exp(draw.normal(1, 1, series))[:, None] * np.array([1, 1, 1, 1.2, 1.5, 2, 0])[weekday]
    mean = rate * (price / np.median(price, 1, keepdims=True)) ** -1.5
    first = np.where(np.arange(series) < 6, time - 10, 0)
    units = np.where(np.arange(time) >= first[:, None], draw.poisson(mean[:, :time]), 0).astype(float)
    return SeriesPanel(
        step_days=1,
        units=units,
        first=first,
        price=price,
        promotion=np.zeros((series, ahead)),
        sold_out=np.zeros((series, time), bool),
        calendar=np.eye(7)[weekday],
        category=np.arange(series) % 3,
        elasticity=np.full(series, -1.5),
    )


@cache
def trained() -> Forecaster:
    return train_forecaster(shop(), SMALL)


def test_a_forecast_has_ordered_quantiles_and_says_who_made_it():
    found = trained().forecast(shop())
    assert found.quantiles.shape == (60, 14, 9)
    assert (np.diff(found.quantiles, axis=-1) >= 0).all() and (found.quantiles >= 0).all()
    assert (found.interval80[..., 0] <= found.interval80[..., 1]).all()
    assert set(found.method) <= {"transformer", NAIVE}


def test_a_series_with_little_history_is_a_cold_start_and_still_gets_demand():
    found = trained().forecast(shop())
    assert found.cold_start.tolist() == [True] * 6 + [False] * 54
    assert (found.quantiles[:6, :, -1].sum(1) > 0).all()


def test_demand_falls_with_price_for_every_series_by_its_elasticity():
    """10,000 pairs of prices: demand at the higher is never more, and is (p/p0)^e of that at the lower."""
    draw = np.random.default_rng(8)
    rows = draw.integers(0, 60, 715)
    panel = replace(shop().rows(rows), elasticity=-draw.gamma(2, 1, 715))
    low = np.exp(draw.normal(0, 0.5, (715, 14)))
    factor = 1 + draw.random((715, 14))

    def at(future: np.ndarray) -> np.ndarray:
        price = panel.price.copy()
        price[:, panel.time :] = future
        return trained().forecast(replace(panel, price=price)).quantiles

    cheap, dear = at(low), at(low * factor)
    assert low.size >= 10_000
    assert (dear <= cheap).all() and (np.diff(dear, axis=-1) >= 0).all()
    expected = cheap * (factor ** panel.elasticity[:, None])[..., None]
    np.testing.assert_allclose(dear, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("network", ["transformer", "lstm"])
def test_the_same_seed_gives_the_same_forecast(network):
    config = replace(SMALL, network=network, max_steps=5)
    one, two = (train_forecaster(shop(), config).forecast(shop()).quantiles for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_short_training_beats_the_seasonal_naive_forecast_and_its_intervals_hold():
    report = backtest(shop(), SMALL, [106])
    served = report.score("all", "served")
    assert served.wql < 0.95 * report.score("all", NAIVE).wql
    assert 0.74 <= served.coverage <= 0.86 and 0.75 <= served.randomised <= 0.85


def test_each_segment_is_served_by_what_did_best_on_it():
    made = trained()
    for segment, scores in made.scores.items():
        if segment != "all" and segment != "cold start":
            assert made.winners[SEGMENTS.index(segment)] == min(scores, key=lambda method: scores[method])


def test_a_shop_of_few_series_that_are_all_new_is_learned_from():
    few = shop().rows(np.arange(4)).until(113, 14)
    young = replace(few, first=np.full(4, 60), units=np.where(np.arange(113) < 60, 0.0, 2.0) + np.zeros((4, 1)))
    found = train_forecaster(young, replace(SMALL, max_steps=2)).forecast(young)
    assert np.isfinite(found.quantiles).all() and found.quantiles.shape == (4, 14, 9)


def test_steps_after_the_history_change_nothing_that_was_learned():
    later = shop().until(113, 14)
    changed = replace(shop(), units=np.where(np.arange(120) < 113, shop().units, 99.0)).until(113, 14)
    one, two = (train_forecaster(panel, replace(SMALL, max_steps=5)) for panel in (later, changed))
    np.testing.assert_array_equal(one.forecast(later).quantiles, two.forecast(later).quantiles)


def test_a_forecaster_is_the_same_after_bytes():
    again = from_bytes(to_bytes(trained()))
    np.testing.assert_array_equal(again.forecast(shop()).quantiles, trained().forecast(shop()).quantiles)
    assert again.winners == trained().winners


def test_bytes_of_another_version_or_of_something_else_are_refused():
    tensors = load(to_bytes(trained()))
    about = tensors["about"].tobytes().replace(b'"version": 2', b'"version": 9')
    with pytest.raises(ValueError, match="version 9"):
        from_bytes(save(tensors | {"about": np.frombuffer(about, np.uint8)}))
    with pytest.raises(ValueError, match="no forecaster"):
        from_bytes(b"junk")


def test_a_panel_that_does_not_fit_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^step_days: "):
        trained().forecast(replace(shop(), step_days=7))
    with pytest.raises(ValueError, match=r"^price: "):
        trained().forecast(shop().until(120, 13))
    with pytest.raises(ValueError, match=r"^units: "):
        train_forecaster(shop().until(40, 14), SMALL)


@cache
def taught() -> Forecaster:
    pytest.importorskip("lightgbm")
    return train_forecaster(shop(), replace(SMALL, boosting=True, levels=(0.1, 0.5, 0.8, 0.9)))


def test_boosting_is_measured_where_it_is_installed():
    made = taught()
    assert "lightgbm" in made.scores["all"] and "lightgbm" not in made.winners
    again = from_bytes(to_bytes(made))
    past, read = shop().until(106, 14), made.windows(shop().until(106, 14))
    np.testing.assert_array_equal(again.raw("lightgbm", past, read), made.raw("lightgbm", past, read))


def test_a_forecaster_is_read_without_lightgbm(monkeypatch):
    artefact = to_bytes(taught())
    monkeypatch.setattr("optimizer.engine.forecasting.artefact.boosting_is_installed", lambda: False)
    again = from_bytes(artefact)
    assert again.methods == ("transformer", NAIVE)
    np.testing.assert_array_equal(again.forecast(shop()).quantiles, taught().forecast(shop()).quantiles)


def test_a_season_is_read_from_two_years_on():
    season = np.sin(2 * np.pi * np.arange(134) / 365)[:, None]
    panel = replace(shop(), calendar=np.concatenate((shop().calendar, season), 1))
    made = train_forecaster(panel, replace(SMALL, max_steps=2))
    assert made.calendar == (True,) * 7 + (False,)
    other = replace(panel, calendar=np.concatenate((shop().calendar, 9 * season), 1))
    np.testing.assert_array_equal(made.forecast(panel).quantiles, made.forecast(other).quantiles)
