"""A forecaster: a network that LightGBM taught, or the seasonal naive forecast where that did better, calibrated."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..devices import resolve_device
from .boosting import BoostedQuantiles, boosting_is_installed, fit_boosting
from .calibration import Calibration, calibrate
from .config import ForecasterConfig
from .examples import Examples, as_if_new, examples_at, training_examples, training_origins
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
YEARS: Final = 2 * 364
"""Days of history from which a season can be told from a trend."""
AS_IF_NEW = 0.3
"""This share of held-out series is shown once more as if new, to choose and calibrate for cold starts."""
FEWEST_SERIES = 5
"""A segment of fewer series follows the choice of all."""
FEW = 64
"""So few series are forecast on one thread of torch; `one_thread` took 3 to 6 ms by itself."""


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
        calendar: of each calendar column, whether it is read.
        network: trained.
        boosting: LightGBM's models, where installed: they taught the network, and are a yardstick when it is judged.
        winners: a method for each of ``SEGMENTS``.
        calibration: of the served quantiles.
        scores: weighted quantile loss of each method on the last two horizons of history, when trained before them:
            ``scores[segment][method]``, of segments with five series or more, and of `all`.
    """

    config: ForecasterConfig
    step_days: int
    calendar: tuple[bool, ...]
    network: ForecastNetwork
    boosting: BoostedQuantiles | None
    winners: tuple[str, ...]
    calibration: Calibration
    scores: dict[str, dict[str, float]]

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that competed."""
        return (self.config.network, NAIVE, *((BOOSTING,) if self.boosting else ()))

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
        read = self.windows(panel)
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
        if panel.calendar.shape[1] != len(self.calendar):
            raise ValueError(f"calendar: got {panel.calendar.shape[1]} columns; it was trained on {len(self.calendar)}")
        if panel.horizon < self.config.horizon:
            raise ValueError(f"price: holds {panel.horizon} steps ahead; give {self.config.horizon}")

    def windows(self, panel: SeriesPanel) -> Windows:
        """Return what its methods read of a panel."""
        return windows(_reduced(panel, self.calendar), self.config.history, self.config.horizon)

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
        if method != BOOSTING:
            return self.network.quantiles(read, next(self.network.parameters()).device)
        if self.boosting is None:
            raise ValueError("boosting: this forecaster has no LightGBM models; install the extra `forecast` and train")
        return self.boosting.quantiles(read)

    def competing(self, panel: SeriesPanel, read: Windows) -> dict[str, Floats]:
        """Return the quantiles of `raw` of each of the methods."""
        return {method: self.raw(method, panel, read) for method in self.methods}


def _reduced(panel: SeriesPanel, read: tuple[bool, ...]) -> SeriesPanel:
    """Return the panel with calendar columns that are not read at 0."""
    return replace(panel, calendar=panel.calendar * np.array(read, float))


def _readable(panel: SeriesPanel) -> tuple[bool, ...]:
    """Return which calendar columns can be learned from: in less than two years those of 0 and 1 only.

    A sine of the season tells each origin from all others there: models learn what happened at it, and not the season.
    """
    flags = np.isin(panel.calendar, (0, 1)).all(0)
    return tuple(bool(flag) or panel.time * panel.step_days >= YEARS for flag in np.atleast_1d(flags))


def _silent(work: str, share: float) -> None:
    pass


def train_forecaster(panel: SeriesPanel, config: ForecasterConfig, progress: Progress = _silent) -> Forecaster:
    """Return a forecaster trained on the panel's history, the same for the same seed.

    Methods are trained thrice: before each of the last two horizons of history, to say on it what serves each segment
    and how it is calibrated, and on all history, to serve. So what is calibrated is as fresh as what is served.

    Args:
        panel: at least four horizons of history.
        config: networks, quantiles and limits; each of the three trainings of the network gets a third of the time.
        progress: called with the work and its share done, 0 to 1.

    Raises:
        ValueError: too little history.
    """
    horizon, last = config.horizon, panel.time - 2 * config.horizon
    origins = training_origins(last, config, panel.step_days)
    if not origins or not (panel.first < origins[0]).any():
        raise ValueError(f"units: got {panel.time} steps; give more than {3 * horizon + 28 // panel.step_days}")
    limited = replace(config, max_seconds=config.max_seconds / 3)
    held = []
    for turn, at in enumerate((last, last + horizon)):
        early = _fitted(panel, at, limited, partial(_third, progress, turn))
        held += _held_out(panel, early, at)
    made = replace(_fitted(panel, panel.time, limited, partial(_third, progress, 2)), config=config)
    progress("calibration", 1.0)
    winners, scores = _choose(made, held)
    return replace(made, winners=winners, scores=scores, calibration=_calibrated(winners, held, config.levels))


def _third(progress: Progress, turn: int, work: str, share: float) -> None:
    """Tell the progress of one of three trainings."""
    progress(work, (turn + share) / 3)


def _fitted(panel: SeriesPanel, end: int, config: ForecasterConfig, progress: Progress) -> Forecaster:
    """Return a forecaster whose models know history before ``end``; it has chosen and calibrated nothing yet."""
    origins = training_origins(end, config, panel.step_days)
    device, draw, calendar = resolve_device(config.device).search, np.random.default_rng(config.seed), _readable(panel)
    training = training_examples(_reduced(panel, calendar), origins, config, draw)
    boosting, taught = None, None
    if config.boosting and boosting_is_installed():
        progress(BOOSTING, 0.0)
        boosting = fit_boosting(training, config.levels, config.seed)
        taught = [boosting.quantiles(one.read) for one in training]
    network = train_network(training, taught, config, device, progress)
    nothing = Calibration(config.levels, np.zeros(0), np.zeros(0))
    return Forecaster(
        config, panel.step_days, calendar, network, boosting, (config.network,) * len(SEGMENTS), nothing, {}
    )


@dataclass(frozen=True)
class _HeldOut:
    """Hold what followed models' training: which of the horizons, examples, segments, each method's quantiles."""

    turn: int
    example: Examples
    segment: Ints
    competing: dict[str, Floats]


def _held_out(panel: SeriesPanel, made: Forecaster, at: int) -> list[_HeldOut]:
    """Return the horizon after ``at``; and once more with series as if they were new, for there are few new."""
    draw, found = np.random.default_rng(made.config.seed), []
    first = as_if_new(panel, at, draw)
    renewed = np.flatnonzero((first > panel.first) & (panel.first < at) & (draw.random(len(panel)) < AS_IF_NEW))
    shown = [panel]
    if len(renewed):
        shown.append(replace(panel.rows(renewed), first=first[renewed]))
    for one in shown:
        past = one.until(at, made.config.horizon)
        example = examples_at(_reduced(one, made.calendar), at, made.config)
        found.append(_HeldOut(at, example, segments(past), made.competing(past, example.read)))
    return found


def _choose(made: Forecaster, held: list[_HeldOut]) -> tuple[tuple[str, ...], dict[str, dict[str, float]]]:
    """Return which of network and naive had the least loss by segment, and all losses; few steps follow that of all."""
    use = np.concatenate([one.example.valid & ~one.example.censored for one in held])
    demand = np.concatenate([one.example.demand for one in held])
    segment = np.concatenate([one.segment for one in held])
    quantiles = {method: np.concatenate([one.competing[method] for one in held]) for method in made.methods}
    loss = {method: pinball(found, demand, made.config.levels) * use for method, found in quantiles.items()}

    def scored(rows: NDArray[np.bool_]) -> dict[str, float]:
        sold = max(float((demand * use)[rows].sum()), 1e-9)
        return {method: float(values[rows].sum()) / sold for method, values in loss.items()}

    overall = scored(np.ones(len(use), bool))
    enough = [use[segment == kind].sum() >= FEWEST_SERIES * made.config.horizon for kind in range(len(SEGMENTS))]
    scores = {name: scored(segment == kind) for kind, name in enumerate(SEGMENTS) if enough[kind]}
    winners = []
    for kind, name in enumerate(SEGMENTS):
        found = scores.get(name, overall)
        naive = found[NAIVE] < found[made.config.network] and (enough[kind] or kind != COLD)
        winners.append(NAIVE if naive else made.config.network)  # a naive forecast of nothing is nothing
    return tuple(winners), scores | {"all": overall}


def _calibrated(winners: tuple[str, ...], held: list[_HeldOut], levels: tuple[float, ...]) -> Calibration:
    """Return the calibration by all that was held out; quantiles are moved if that helps from one horizon to the other.

    Where models know their own quantiles already, moving them by the luck of two horizons costs more than it gains.
    """
    parts: list[tuple[Any, ...]] = []
    for one in held:
        example, served = one.example, np.array([winners[kind] for kind in one.segment])
        raw = sum(np.where((served == method)[:, None, None], found, 0) for method, found in one.competing.items())
        parts.append((raw, example.demand, example.valid & ~example.censored, example.read.scale, one.segment))

    def joined(chosen: list[tuple[Any, ...]]) -> list[Any]:
        return [np.concatenate(column) for column in zip(*chosen, strict=True)]

    def fitted(chosen: list[tuple[Any, ...]]) -> Calibration:
        raw, demand, valid, scale, kind = joined(chosen)
        return calibrate(raw, demand, valid, scale, kind, levels)

    gain, turns = 0.0, [one.turn for one in held]
    for turn in set(turns):
        learned = [part for part, of in zip(parts, turns, strict=True) if of == turn]
        raw, demand, valid, scale, kind = joined([part for part, of in zip(parts, turns, strict=True) if of != turn])
        moved = fitted(learned).calibrated(raw, scale, kind)
        gain += float(((pinball(raw, demand, levels) - pinball(moved, demand, levels)) * valid).sum())
    found = fitted(parts)
    return found if gain > 0 else replace(found, quantiles=np.zeros_like(found.quantiles))
