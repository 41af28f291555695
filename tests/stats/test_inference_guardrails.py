import numpy as np
import pytest

from experiments.stats.inference import Guardrail, Moments, check_guardrail, difference_of_means

RAIL = Guardrail("margin", margin=0.1, tuning_n=4000)


def estimates(rng, harm, *, days=20, per_day=100, runs=1):
    """Daily estimates of a metric with variance 1 that the treatment lowers by ``harm``."""
    control, treatment = (rng.normal(10 - shift, 1, (runs, days * per_day)) for shift in (0.0, harm))
    for run in range(runs):
        yield [
            difference_of_means(Moments.of(control[run, :n]), Moments.of(treatment[run, :n]))
            for n in range(per_day, days * per_day + 1, per_day)
        ]


def test_harm_beyond_the_margin_stops_and_tells_when():
    (series,) = estimates(np.random.default_rng(71), 0.4)
    result = check_guardrail(RAIL, series)
    assert result.breached
    assert result.least_harm[result.breached_look] > 0.1
    assert all(bound <= 0.1 for bound in result.least_harm[: result.breached_look])
    assert result.p_value < 0.05
    assert result.harm[-1] == pytest.approx(0.4, abs=0.1)


def test_harm_of_just_the_margin_rarely_stops_and_benefit_never():
    rng = np.random.default_rng(72)
    at_margin = [check_guardrail(RAIL, series).breached for series in estimates(rng, 0.1, runs=400)]
    assert np.mean(at_margin) <= 0.05
    assert not any(check_guardrail(RAIL, series).breached for series in estimates(rng, -0.3, runs=50))


def test_a_rise_is_the_harm_where_lower_is_better():
    (series,) = estimates(np.random.default_rng(73), -0.4)
    assert check_guardrail(Guardrail("returns", margin=0.1, higher_is_better=False), series).breached
    assert not check_guardrail(Guardrail("returns", margin=0.1), series).breached


def test_breach_and_p_value_agree():
    rng = np.random.default_rng(74)
    for series in estimates(rng, 0.25, days=12, runs=60):
        result = check_guardrail(RAIL, series)
        assert result.breached == (result.p_value < 0.05)


def test_a_few_units_are_not_enough():
    loud = difference_of_means(Moments(20, 400, 8100), Moments(20, 20, 30))
    assert not check_guardrail(RAIL, [loud]).breached
    assert check_guardrail(RAIL, []).p_value == 1.0
