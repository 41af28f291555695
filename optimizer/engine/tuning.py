"""Find good settings of what has no formula, such as the limits of a policy, by Bayesian optimisation (Optuna)."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

FIRST_TRIALS: Final = 8
"""Settings that are drawn before the Gaussian process is asked."""


class TuningUnavailable(RuntimeError):
    """Optuna is not installed."""

    def __init__(self) -> None:
        super().__init__("Optuna is not installed: pip install 'dynamic-pricing-engine[tuning]'")


@dataclass(frozen=True, slots=True)
class Knob:
    """Hold a setting that may be moved: ``low`` to ``high`` in ``step``s, both ends included.

    Raises:
        ValueError: the ends are crossed, or the step does not fit between them.
    """

    name: str
    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        if not (self.low < self.high and 0 < self.step <= self.high - self.low):
            raise ValueError(
                f"{self.name}: from {self.low} to {self.high} in steps of {self.step}; give a rising range and a step"
                " that fits into it"
            )


@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold what settings are worth.

    Args:
        value: to be made large.
        violations: by name, how far each condition is missed; 0 or less where it is met.
        numbers: whatever else people want to see.
    """

    value: float
    violations: Mapping[str, float] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_allowed(self) -> bool:
        return all(each <= 0 for each in self.violations.values())


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold settings that were tried, by name of the knob, and what they are worth."""

    settings: dict[str, float]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Tuning:
    """Hold all trials in their order."""

    trials: list[Trial]

    @property
    def best(self) -> Trial | None:
        """Return the trial of highest value that meets every condition; None where none does."""
        allowed = [each for each in self.trials if each.judgement.is_allowed]
        return max(allowed, key=lambda each: each.judgement.value, default=None)

    @property
    def nearest(self) -> Trial:
        """Return the trial that misses its conditions least, summed over them."""
        return min(self.trials, key=lambda each: sum(max(miss, 0) for miss in each.judgement.violations.values()))


def tune(
    knobs: Sequence[Knob],
    judge: Callable[[dict[str, float]], Judgement],
    *,
    trials: int,
    seed: int,
    first: Mapping[str, float] | None = None,
    told: Callable[[Trial], None] = lambda trial: None,
) -> Tuning:
    """Try settings, each where the Gaussian process of those before expects most.

    Use it where judging one setting takes seconds or more, so that few can be tried: a simulation, or the read-out of a
    test. The conditions have processes of their own, and settings that will hardly meet them are left alone.

    Args:
        knobs: what may be moved.
        judge: called with one value a knob. The same settings must always be worth the same.
        trials: how many, ≥ 1.
        seed: the same seed gives the same trials.
        first: settings to begin with, such as those in force.
        told: called after every trial.

    Raises:
        TuningUnavailable: Optuna is not installed.
        ValueError: no knobs or trials.

    Source: Frazier (2018), "A tutorial on Bayesian optimization"; Akiba et al. (2019), Optuna.
    """
    if not knobs or trials < 1:
        raise ValueError("give at least one knob and one trial")
    study = _study(seed)
    if first is not None:
        study.enqueue_trial({knob.name: first[knob.name] for knob in knobs})
    found: list[Trial] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Optuna: experimental features, and greenlet, which would only be faster
        for _ in range(trials):
            asked = study.ask()
            settings = {
                knob.name: round(asked.suggest_float(knob.name, knob.low, knob.high, step=knob.step), 9)
                for knob in knobs
            }
            judgement = judge(settings)
            for name, miss in judgement.violations.items():
                asked.set_constraint(name, miss)
            study.tell(asked, judgement.value)
            found.append(Trial(settings, judgement))
            told(found[-1])
    return Tuning(found)


def _study(seed: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise TuningUnavailable from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=FIRST_TRIALS, deterministic_objective=True)
    return optuna.create_study(direction="maximize", sampler=sampler)
