"""The mean of a demand from its quantiles, against distributions whose mean is known."""

import numpy as np
import pytest
from scipy import stats

from optimizer.engine.forecasting import LEVELS
from optimizer.expected_units import expected_units


@pytest.mark.parametrize(
    "demand", [stats.expon(scale=5), stats.gamma(2, scale=3), stats.norm(50, 4), stats.nbinom(2, 0.2), stats.poisson(9)]
)
def test_it_is_within_three_per_cent_of_the_true_mean(demand):
    assert expected_units(demand.ppf(LEVELS), LEVELS) == pytest.approx(demand.mean(), rel=0.03)


def test_an_exponential_tail_is_exact_and_a_uniform_one_too_large_by_little():
    far = stats.expon(scale=5)
    levels = np.linspace(0.001, 0.999, 999)
    assert expected_units(far.ppf(levels), levels) == pytest.approx(5.0, rel=1e-4)


def test_nothing_sells_nothing_and_shapes_are_kept():
    assert expected_units(np.zeros((2, 3, 9)), LEVELS).tolist() == np.zeros((2, 3)).tolist()
    assert expected_units([[0, 0, 0, 0, 0, 0, 0, 1, 2]], LEVELS)[0] > 0


@pytest.mark.parametrize("levels", [[0.5], [0.9, 0.1], [0.1, 1.0], [0.1, 0.5, 0.9]])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(ValueError, match="levels: got"):
        expected_units([1.0, 2.0], levels)
