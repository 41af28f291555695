"""How a forecaster would have done: trained at past origins, judged on the horizon after each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from .calibration import INTERVAL
from .config import ForecasterConfig
from .forecaster import Forecaster, train_forecaster
from .panel import Floats, SeriesPanel
from .price_response import future_response
from .scores import pinball, randomised_coverage
from .segments import SEGMENTS

SERVED: Final = "served"
ALL: Final = "all"


@dataclass(frozen=True)
class Score:
    """Hold how a method did on a segment, or on all series.

    Args:
        segment: one of ``SEGMENTS`` or `all`.
        method: a method, or `served`: each segment's winner, calibrated.
        wql: weighted quantile loss, the mean over levels.
        coverage: share of demand within the 80 % interval, ends included.
        randomised: the same by randomised ranks, which counts can meet however many are 0.
        width: mean width of the interval, units.
        demand: units sold.
    """

    segment: str
    method: str
    wql: float
    coverage: float
    randomised: float
    width: float
    demand: float


@dataclass(frozen=True)
class BacktestReport:
    """Hold the scores over all origins, and which method served which segment at each."""

    scores: tuple[Score, ...]
    winners: tuple[tuple[str, ...], ...]

    def score(self, segment: str, method: str) -> Score:
        """Return one score; raises KeyError where there is none."""
        for score in self.scores:
            if (score.segment, score.method) == (segment, method):
                return score
        raise KeyError(f"no score of {method} on {segment}")


def backtest(panel: SeriesPanel, config: ForecasterConfig, origins: Sequence[int]) -> BacktestReport:
    """Return the scores of forecasters that are trained before each origin and judged on the horizon after it.

    Raises:
        ValueError: an origin with too little history before it or after it.
    """
    trained = [train_forecaster(panel.until(at, 0), config) for at in origins]
    return judge(panel, trained, origins)


def judge(
    panel: SeriesPanel,
    trained: Sequence[Forecaster],
    origins: Sequence[int],
    peers: Sequence[dict[str, Floats]] | None = None,
) -> BacktestReport:
    """Return the scores of forecasters that were trained before their origins.

    Args:
        panel: with the demand after each origin.
        trained: a forecaster for each of ``origins``.
        origins: first steps of the horizons to judge on.
        peers: for each origin the quantiles of other methods, (series, horizon, level) units, to be judged beside.
    """
    beside = [{}] * len(origins) if peers is None else peers
    parts = [_sums(panel, made, at, other) for made, at, other in zip(trained, origins, beside, strict=True)]
    scores = []
    for method in parts[0]:
        total = sum((part[method] for part in parts), np.zeros_like(parts[0][method]))
        for kind, name in enumerate((*SEGMENTS, ALL)):
            loss, demand, covered, ranks, width, steps = total[kind] if name != ALL else total.sum(0)
            if steps:
                scores.append(
                    Score(name, method, loss / max(demand, 1e-9), covered / steps, ranks / steps, width / steps, demand)
                )
    return BacktestReport(tuple(scores), tuple(made.winners for made in trained))


def _sums(panel: SeriesPanel, made: Forecaster, origin: int, peers: dict[str, Floats]) -> dict[str, Floats]:
    """Return by method and segment: loss, demand, covered, covered by ranks, width, steps; (segment, 6)."""
    horizon, levels = made.config.horizon, made.config.levels
    past = panel.until(origin, horizon)
    demand = panel.units[:, origin : origin + horizon].astype(float)
    use = (panel.first < origin)[:, None] & ~panel.sold_out[:, origin : origin + horizon]
    served = made.forecast(past)
    found: dict[str, tuple[Floats, Floats]] = {SERVED: (served.quantiles, served.interval80)}
    read, response = made.windows(past), future_response(past)[..., None]
    ends = [levels.index(round((1 - INTERVAL) / 2, 6)), levels.index(round((1 + INTERVAL) / 2, 6))]
    own = {method: raw * response for method, raw in made.competing(past, read).items()}
    for method, quantiles in (own | peers).items():
        found[method] = (quantiles, quantiles[..., ends])
    result: dict[str, Floats] = {}
    for method, (levelled, interval) in found.items():
        columns = (
            pinball(levelled, demand, levels),
            demand,
            (demand >= interval[..., 0]) & (demand <= interval[..., 1]),
            randomised_coverage(levelled, demand, levels),
            interval[..., 1] - interval[..., 0],
            np.ones_like(demand),
        )
        by_series = np.stack([(column * use).sum(1) for column in columns], -1)
        result[method] = np.stack([by_series[served.segment == kind].sum(0) for kind in range(len(SEGMENTS))])
    return result
