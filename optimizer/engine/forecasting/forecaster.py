"""A forecaster: methods beside each other, of which the best on held-out steps serves each segment."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..devices import resolve_device
from .boosting import BoostedQuantiles, boosting_is_installed, fit_boosting
from .calibration import Calibration, calibrate
from .config import ForecasterConfig
from .examples import HIDDEN_HISTORY, Examples, examples_at, training_origins
from .network import ForecastNetwork
from .panel import Floats, Ints, SeriesPanel
from .price_response import future_response
from .scores import pinball
from .seasonal_naive import seasonal_naive
from .segments import COLD, SEGMENTS, segments
from .training import Progress, train_network
from .windows import Windows, windows

NAIVE: Final = "seasonal_naive"
BOOSTING: Final = "lightgbm"
AVERAGE: Final = "average"
"""The mean of the network's and LightGBM's quantiles, level by level (Vincent averaging, Lichtendahl et al. 2013)."""
FEWEST_SERIES = 5
"""A segment of fewer series follows the choice of all."""
FEW = 64
"""So few series are forecast on one thread of torch and LightGBM; `one_thread` took 3 to 6 ms by itself."""


@dataclass(frozen=True)
class Forecast:
    """Hold what demand is expected at the panel's future prices.

    Args:
        levels: (level,), ascending.
        quantiles: (series, horizon, level) units, >= 0, never crossing.
        interval80: (series, horizon, 2) units, calibrated by itself; from 0 where 0 is likely.
        method: name of the method that served each series.
        segment: (series,) index in ``SEGMENTS``.
        cold_start: (series,) bool, too little history: category, price and calendar speak for it.
    """

    levels: tuple[float, ...]
    quantiles: Floats
    interval80: Floats
    method: tuple[str, ...]
    segment: Ints
    cold_start: NDArray[np.bool_]


@dataclass(frozen=True)
class Forecaster:
    """Hold trained methods, which one serves each segment, and their calibration.

    Args:
        config: how it was built.
        step_days: of the panels that it forecasts.
        calendar: how many calendar columns they have.
        network: trained.
        boosting: LightGBM's models, where installed.
        winners: a method for each of ``SEGMENTS``.
        calibration: of the served quantiles.
        scores: weighted quantile loss of each method on the last horizon of history: ``scores[segment][method]``, of
            segments with five series or more, and of `all`.
    """

    config: ForecasterConfig
    step_days: int
    calendar: int
    network: ForecastNetwork
    boosting: BoostedQuantiles | None
    winners: tuple[str, ...]
    calibration: Calibration
    scores: dict[str, dict[str, float]]

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that competed."""
        return _methods(self.config, self.boosting)

    def forecast(self, panel: SeriesPanel) -> Forecast:
        """Return the demand of the config's horizon after the panel's history, at the panel's prices there.

        Raises:
            ValueError: the panel has other steps, another calendar, or too few known steps ahead.
        """
        self._check(panel)
        threads = torch.get_num_threads()
        torch.set_num_threads(1 if len(panel) <= FEW else threads)
        try:
            return self._forecast(panel)
        finally:
            torch.set_num_threads(threads)

    def _forecast(self, panel: SeriesPanel) -> Forecast:
        panel = panel.until(panel.time, self.config.horizon)
        read = windows(panel, self.config.history, self.config.horizon)
        segment = segments(panel)
        raw = self.served(panel, read, segment)
        response = future_response(panel)[..., None]
        return Forecast(
            self.config.levels,
            self.calibration.calibrated(raw, read.scale, segment) * response,
            self.calibration.interval80(raw, read.scale, segment) * response,
            tuple(self.winners[kind] for kind in segment),
            segment,
            segment == COLD,
        )

    def _check(self, panel: SeriesPanel) -> None:
        if panel.step_days != self.step_days:
            raise ValueError(f"step_days: got {panel.step_days}; this forecaster was trained on {self.step_days}")
        if panel.calendar.shape[1] != self.calendar:
            raise ValueError(f"calendar: got {panel.calendar.shape[1]} columns; it was trained on {self.calendar}")
        if panel.horizon < self.config.horizon:
            raise ValueError(f"price: holds {panel.horizon} steps ahead; give {self.config.horizon}")

    def served(self, panel: SeriesPanel, read: Windows, segment: Ints) -> Floats:
        """Return each series' quantiles at the reference price by its segment's winner, before calibration."""
        result = np.zeros((len(panel), self.config.horizon, len(self.config.levels)))
        winner = np.array([self.winners[kind] for kind in segment])
        for method in set(self.winners):
            rows = np.flatnonzero(winner == method)
            if len(rows) == len(panel):
                return self.raw(method, panel, read)
            if len(rows):
                part = Windows(read.history[rows], read.ahead[rows], read.scale[rows])
                result[rows] = self.raw(method, panel.rows(rows), part)
        return result

    def raw(self, method: str, panel: SeriesPanel, read: Windows) -> Floats:
        """Return a method's quantiles at the reference price, before calibration."""
        if method == NAIVE:
            return seasonal_naive(panel, self.config.levels, self.config.horizon)
        if method == BOOSTING:
            return _installed(self.boosting).quantiles(read)
        network = self.network.quantiles(read, next(self.network.parameters()).device)
        return network if method != AVERAGE else _mean(network, _installed(self.boosting).quantiles(read))

    def competing(self, panel: SeriesPanel, read: Windows) -> dict[str, Floats]:
        """Return the quantiles of `raw` of each of the methods, with each model asked once."""
        found = {method: self.raw(method, panel, read) for method in self.methods if method != AVERAGE}
        if AVERAGE in self.methods:
            found[AVERAGE] = _mean(found[self.config.network], found[BOOSTING])
        return found


def _mean(one: Floats, other: Floats) -> Floats:
    return np.asarray((one + other) / 2)


def _installed(boosting: BoostedQuantiles | None) -> BoostedQuantiles:
    if boosting is None:
        raise ValueError("boosting: this forecaster has no LightGBM models; install the extra `forecast` and train")
    return boosting


def _methods(config: ForecasterConfig, boosting: BoostedQuantiles | None) -> tuple[str, ...]:
    return (config.network, NAIVE, *((BOOSTING, AVERAGE) if boosting else ()))


def _silent(work: str, share: float) -> None:
    pass


def train_forecaster(panel: SeriesPanel, config: ForecasterConfig, progress: Progress = _silent) -> Forecaster:
    """Return a forecaster trained on the panel's history, the same for the same seed.

    The last horizon of history chooses the winners; the one before it stops the network's training, and would favour
    it. Both calibrate; models learn from what is before them.

    Args:
        panel: at least four horizons of history.
        config: networks, quantiles and limits.
        progress: called with the work and its share done, 0 to 1.

    Raises:
        ValueError: too little history.
    """
    horizon, last = config.horizon, panel.time - 2 * config.horizon
    origins = training_origins(last, config, panel.step_days)
    if not origins or not (panel.first < origins[0]).any():
        raise ValueError(f"units: got {panel.time} steps; give more than {3 * horizon + 28 // panel.step_days}")
    device = resolve_device(config.device).search
    draw = np.random.default_rng(config.seed)
    training = [examples_at(panel, at, config, draw.random(len(panel)) < HIDDEN_HISTORY) for at in origins]
    selection, held = examples_at(panel, last, config), examples_at(panel, last + horizon, config)
    network = train_network(training, [selection], config, device, progress)
    boosting = None
    if config.boosting and boosting_is_installed():
        progress(BOOSTING, 0.0)
        boosting = fit_boosting(training, config.levels, config.seed)
    nothing, calendar = Calibration(config.levels, np.zeros(0), np.zeros(0)), panel.calendar.shape[1]
    made = Forecaster(config, panel.step_days, calendar, network, boosting, (NAIVE,) * len(SEGMENTS), nothing, {})
    pairs = [(panel.until(at, horizon), example) for at, example in ((last, selection), (last + horizon, held))]
    winners, scores = _choose(made, *pairs[1])
    made = replace(made, winners=winners, scores=scores)
    progress("calibration", 1.0)
    return replace(made, calibration=_calibrate(made, pairs))


def _choose(
    made: Forecaster, past: SeriesPanel, selection: Examples
) -> tuple[tuple[str, ...], dict[str, dict[str, float]]]:
    """Return the method with the least loss by segment, and all losses; few steps follow the choice of all."""
    segment = segments(past)
    use = selection.valid & ~selection.censored
    loss = {
        method: pinball(raw, selection.demand, made.config.levels) * use
        for method, raw in made.competing(past, selection.read).items()
    }

    def scored(rows: NDArray[np.bool_]) -> dict[str, float]:
        demand = max(float((selection.demand * use)[rows].sum()), 1e-9)
        return {method: float(values[rows].sum()) / demand for method, values in loss.items()}

    overall = scored(np.ones(len(past), bool))
    enough = [use[segment == kind].sum() >= FEWEST_SERIES * made.config.horizon for kind in range(len(SEGMENTS))]
    scores = {name: scored(segment == kind) for kind, name in enumerate(SEGMENTS) if enough[kind]}
    best = [scores.get(name, overall) for name in SEGMENTS]
    winners = [min(found, key=lambda method: found[method]) for found in best]
    if not enough[COLD] and winners[COLD] == NAIVE:
        winners[COLD] = made.config.network  # a naive forecast of nothing is nothing
    return tuple(winners), scores | {"all": overall}


def _calibrate(made: Forecaster, pairs: list[tuple[SeriesPanel, Examples]]) -> Calibration:
    parts: list[tuple[Any, ...]] = []
    for past, example in pairs:
        segment = segments(past)
        raw = made.served(past, example.read, segment)
        parts.append((raw, example.demand, example.valid & ~example.censored, example.read.scale, segment))
    raw, demand, valid, scale, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
    return calibrate(raw, demand, valid, scale, kind, made.config.levels)
