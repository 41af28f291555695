"""What a panel refuses, and the segments of its series."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer.engine.forecasting import SEGMENTS, ForecasterConfig, SeriesPanel, segments

PANEL = SeriesPanel(
    step_days=1,
    units=np.ones((2, 40)),
    first=np.zeros(2, int),
    price=np.ones((2, 50)),
    promotion=np.zeros((2, 50)),
    sold_out=np.zeros((2, 40), bool),
    calendar=np.zeros((50, 1)),
    category=np.zeros(2, int),
    elasticity=np.full(2, -1.5),
)


def test_a_panel_knows_its_steps():
    assert (len(PANEL), PANEL.time, PANEL.horizon) == (2, 40, 10)
    past = PANEL.until(30, 5)
    assert (past.time, past.horizon) == (30, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("step_days", 2),
        ("units", np.ones(40)),
        ("units", np.full((2, 40), -1.0)),
        ("units", np.full((2, 40), np.nan)),
        ("first", np.zeros(3, int)),
        ("first", np.zeros(2)),
        ("price", np.ones((2, 30))),
        ("price", np.zeros((2, 50))),
        ("promotion", np.full((2, 50), 1.5)),
        ("sold_out", np.zeros((2, 40))),
        ("calendar", np.zeros((49, 1))),
        ("category", np.array([-1, 0])),
        ("elasticity", np.array([-1.0, 0.5])),
    ],
)
def test_a_panel_names_the_field_that_is_wrong(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        replace(PANEL, **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("network", "gru"), ("hidden", 30), ("horizon", 0), ("history", 91), ("dropout", 1.0), ("levels", (0.5, 0.1))],
)
def test_a_configuration_names_the_field_that_is_wrong(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        ForecasterConfig(**{field: value})


def test_series_are_sorted_into_segments_by_gaps_and_sizes():
    units = np.zeros((5, 80))
    units[0] = 5
    units[1] = np.tile([1, 1, 1, 20], 20)
    units[2, ::4] = 3
    units[3, ::4] = np.tile([1, 1, 1, 20], 5)
    units[4, -5:] = 2
    panel = SeriesPanel(
        step_days=1,
        units=units,
        first=np.array([0, 0, 0, 0, 75]),
        price=np.ones((5, 80)),
        promotion=np.zeros((5, 80)),
        sold_out=np.zeros((5, 80), bool),
        calendar=np.zeros((80, 1)),
        category=np.zeros(5, int),
        elasticity=np.full(5, -1.5),
    )
    assert [SEGMENTS[kind] for kind in segments(panel)] == list(SEGMENTS)
