"""Sales whose quantiles are known: the loss of the true quantiles is the floor that no forecast can pass."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import nbinom

from optimizer.engine.forecasting import SeriesPanel


def simulated_panel(
    step_days: int, series: int, time: int, horizon: int, levels: Sequence[float], seed: int = 0
) -> tuple[SeriesPanel, np.ndarray]:
    """Return ``time`` + ``horizon`` steps, and the true quantiles of the last ``horizon``, (series, step, level).

    Units are negative binomial. The mean is a level of the series (from one unit in 20 steps to 50 a step, by
    category), times the weekday's share, times (p/p_usual)^e, times 1.6 on promotion; the dispersion is the series'
    own. Prices change now and then for good, and fall by a fifth on promotion; both are known ahead. One series in ten
    begins within the last fifth of history, one in forty within the last two weeks of it.
    """
    draw = np.random.default_rng(seed)
    steps = time + horizon
    category = draw.integers(0, 8, series)
    rate = np.exp(draw.normal(0, 1.0, series) + np.linspace(-3, 3, 8)[category]) * (1 if step_days == 1 else 3)
    rate = np.clip(rate, 0.05, 50)
    weekday = np.array([1.0, 0.9, 0.9, 1.0, 1.3, 1.6, 0.3])[np.arange(steps) % 7] if step_days == 1 else np.ones(steps)
    usual = np.exp(draw.normal(2, 0.6, series))
    moves = np.where(draw.random((series, steps)) < 0.01, draw.normal(0, 0.08, (series, steps)), 0)
    promotion = (np.repeat(draw.random((series, -(-steps // 4))) < 0.05, 4, 1)[:, :steps]).astype(float)
    price = usual[:, None] * np.exp(np.cumsum(moves, 1)) * np.where(promotion > 0, 0.8, 1.0)
    elasticity = -np.clip(draw.normal(1.5, 0.4, series), 0.2, 3)
    mean = rate[:, None] * weekday * (price / usual[:, None]) ** elasticity[:, None] * np.where(promotion > 0, 1.6, 1)
    size = np.exp(draw.normal(0.5, 0.5, series))[:, None]
    share = size / (size + mean)
    units = draw.negative_binomial(np.broadcast_to(size, mean.shape), share).astype(float)
    luck = draw.random(series)
    month = 28 // step_days
    first = np.where(luck < 0.1, draw.integers(time - time // 5, time - 1, series), 0)
    first = np.where(luck < 0.025, draw.integers(time - max(2, month // 2), time, series), first)
    units = np.where(np.arange(steps) >= first[:, None], units, 0)
    panel = SeriesPanel(
        step_days=step_days,
        units=units,
        first=first,
        price=price,
        promotion=promotion,
        sold_out=np.zeros(units.shape, bool),
        calendar=np.eye(7)[np.arange(steps) % 7] if step_days == 1 else np.zeros((steps, 1)),
        category=category,
        elasticity=elasticity,
    )
    ahead = slice(time, steps)
    truth = nbinom.ppf(np.array(levels), np.broadcast_to(size, mean.shape)[:, ahead, None], share[:, ahead, None])
    return panel, truth
