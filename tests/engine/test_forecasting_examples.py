"""What models learn from: recent quantiles, new series, and how much at most."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from optimizer.engine.forecasting import ForecasterConfig, SeriesPanel
from optimizer.engine.forecasting import examples as forecasting_examples
from optimizer.engine.forecasting.examples import as_if_new, examples_at, training_examples
from optimizer.engine.forecasting.recent import SPREAD_LEVELS, recent_quantiles
from optimizer.engine.forecasting.training import train_network
from optimizer.engine.forecasting.windows import windows

SMALL = ForecasterConfig(history=28, patch=7, horizon=14, device="cpu")


def panel(series: int = 40, time: int = 90) -> SeriesPanel:
    draw = np.random.default_rng(4)
    first = draw.integers(0, 80, series)
    units = np.where(np.arange(time) >= first[:, None], draw.poisson(2, (series, time)), 0).astype(float)
    return SeriesPanel(
        step_days=1,
        units=units,
        first=first,
        price=np.ones((series, time + 14)),
        promotion=np.zeros((series, time + 14)),
        sold_out=np.zeros((series, time), bool),
        calendar=np.eye(7)[np.arange(time + 14) % 7],
        category=np.zeros(series, int),
        elasticity=np.full(series, -1.5),
    )


@pytest.mark.parametrize("weekday", range(7))
def test_recent_quantiles_are_numpys_over_what_is_known(weekday):
    of = panel()
    found = np.expm1(recent_quantiles(of, of.units, 14))
    for row in range(len(of)):
        known = of.units[row, of.first[row] :]
        lately = np.quantile(known[-56:], SPREAD_LEVELS)
        np.testing.assert_allclose(found[row, weekday, :6], lately, atol=1e-5)
        same = of.units[row, np.arange(90 - 7 + weekday, of.first[row] - 1, -7)[:13]]
        expected = np.quantile(same, SPREAD_LEVELS) if len(same) else np.zeros(6)
        np.testing.assert_allclose(found[row, weekday, 12:], expected, atol=1e-5)
        np.testing.assert_allclose(found[row, weekday + 7, 12:], expected, atol=1e-5)


def test_windows_of_a_series_do_not_change_with_its_neighbours_order():
    of = panel()
    turned = of.rows(np.arange(len(of))[::-1])
    one, other = windows(of, 28, 14), windows(turned, 28, 14)
    np.testing.assert_allclose(one.ahead, other.ahead[::-1], rtol=1e-5)


def test_a_series_shown_as_new_begins_with_a_sale_of_the_last_month():
    of = panel()
    first = as_if_new(of, 90, np.random.default_rng(0))
    changed = first != of.first
    assert changed.sum() > 30
    assert (first >= of.first).all() and (first[changed] > 90 - 28).all()
    assert (of.units[changed, first[changed]] > 0).all()


def test_training_shows_some_series_as_new_and_never_more_steps_than_it_may(monkeypatch):
    whole = training_examples(panel(), [70, 60], SMALL, np.random.default_rng(0))
    assert [len(one.demand) for one in whole] == [int((panel().first < at).sum()) for at in (70, 60)]
    known = examples_at(panel(), 70, SMALL).read.history[panel().first < 70, :, 3].sum()
    assert whole[0].read.history[:, :, 3].sum() < known
    monkeypatch.setattr(forecasting_examples, "MOST_STEPS", 140)
    few = training_examples(panel(), [70, 60], SMALL, np.random.default_rng(0))
    assert sum(one.demand.size for one in few) == 140


def test_an_origin_before_anything_was_on_sale_is_left_out():
    late = replace(panel(), first=np.full(40, 50))
    assert len(training_examples(late, [70, 40], SMALL, np.random.default_rng(0))) == 1


def test_steps_before_a_series_was_known_change_nothing_that_is_read():
    of = panel()
    hidden = np.arange(of.time) < of.first[:, None]
    other = replace(of, units=np.where(hidden, 7.0, of.units))
    np.testing.assert_array_equal(windows(of, 28, 14).ahead, windows(other, 28, 14).ahead)


def test_a_network_lies_between_demand_and_what_it_was_taught():
    config = replace(SMALL, hidden=16, layers=1, batch=32, max_steps=60)
    examples = training_examples(panel(), [70, 60], config, np.random.default_rng(0))
    far = [np.broadcast_to(5 * one.read.scale[:, None, None], (*one.demand.shape, 9)) for one in examples]

    def median(taught: list[np.ndarray] | None) -> float:
        network = train_network(examples, taught, config, torch.device("cpu"), lambda work, share: None)
        quantiles = network.quantiles(examples[0].read, torch.device("cpu"))
        return float((quantiles[..., 4] / examples[0].read.scale[:, None]).mean())

    assert median(None) < 1.5 < median(far) < 5.5
