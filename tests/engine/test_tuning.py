"""Bayesian optimisation: finds a known optimum under a condition, the same each time, and says what it tried."""

import builtins

import pytest

from optimizer.engine.tuning import Judgement, Knob, TuningUnavailable, tune

KNOBS = [Knob("x", 0.0, 1.0, 0.01), Knob("y", 0.0, 1.0, 0.01)]


def hill(settings):
    """Highest at (0.9, 0.7), of what is allowed at (0.7, 0.5)."""
    x, y = settings["x"], settings["y"]
    return Judgement(-((x - 0.9) ** 2) - (y - 0.7) ** 2, {"sum": x + y - 1.2}, {"x": x})


def test_it_comes_near_the_best_that_is_allowed():
    tuning = tune(KNOBS, hill, trials=30, seed=1)
    best = tuning.best
    assert best is not None and best.judgement.is_allowed
    assert best.judgement.value > -0.081  # the optimum is -0.08; of 30 random ones the best is near -0.1
    assert len(tuning.trials) == 30


def test_the_same_seed_tries_the_same_and_begins_where_it_is_told():
    first = {"x": 0.25, "y": 0.5}
    one, two = (tune(KNOBS, hill, trials=10, seed=3, first=first).trials for _ in range(2))
    assert one == two
    assert one[0].settings == first
    assert tune(KNOBS, hill, trials=10, seed=4).trials != one


def test_where_nothing_is_allowed_there_is_no_best_but_a_nearest():
    tuning = tune(KNOBS, lambda settings: Judgement(0.0, {"x": 2 - settings["x"]}), trials=12, seed=1)
    assert tuning.best is None
    assert tuning.nearest.settings["x"] == max(trial.settings["x"] for trial in tuning.trials)


def test_every_trial_is_told():
    told = []
    tune(KNOBS, hill, trials=3, seed=1, told=told.append)
    assert [trial.judgement.numbers["x"] for trial in told] == [trial.settings["x"] for trial in told]


@pytest.mark.parametrize(("low", "high", "step"), [(1.0, 0.0, 0.1), (0.0, 1.0, 0.0), (0.0, 1.0, 2.0)])
def test_a_range_that_is_none_is_refused_by_name(low, high, step):
    with pytest.raises(ValueError, match="margin: from"):
        Knob("margin", low, high, step)


def test_without_knobs_or_trials_it_is_refused():
    with pytest.raises(ValueError, match="at least one knob"):
        tune([], hill, trials=3, seed=1)
    with pytest.raises(ValueError, match="one trial"):
        tune(KNOBS, hill, trials=0, seed=1)


def test_without_optuna_it_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TuningUnavailable, match=r"pip install 'dynamic-pricing-engine\[tuning\]'"):
        tune(KNOBS, hill, trials=1, seed=1)
