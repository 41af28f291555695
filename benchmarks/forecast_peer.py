"""A LightGBM forecast as it is usually made: a peer that shares no code with ours but the panel.

A direct quantile regression (`objective=quantile`), a model a level, over all series and steps ahead at once. Features:
the last units (four steps; of days the last seven and the same weekday of four weeks), rolling means, deviations and
shares of steps with sales over 1, 4 and 13 weeks, the longest mean, age, how many steps ahead, calendar and promotion
of the step, its price, that against the mean of 13 weeks, and the category. It sees the same history, the same
covariates ahead and trains on the same origins as ours, up to the last one whose demand is known. The season's sine
and cosine are left out: on less than two years of history they cost it 2 to 4 % of its loss. By ``scaled`` demand and
lags are divided by the series' mean and rows weighted by it; the benchmark reports the better of the two.
"""

from collections.abc import Sequence

import numpy as np

from optimizer.engine.forecasting import SeriesPanel

TREES = 150
MOST_ROWS = 60_000
SETTINGS = {
    "objective": "quantile",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}


def plain_boosting(
    panel: SeriesPanel, origins: Sequence[int], horizon: int, levels: Sequence[float], *, scaled: bool, seed: int = 0
) -> np.ndarray:
    """Return quantiles of the steps after the panel's history, (series, horizon, level), sorted, 0 or more.

    Args:
        panel: history, and what is known of ``horizon`` steps after it.
        origins: to train at; the demand of a horizon after each is history.
        horizon: steps ahead.
        levels: of the quantiles.
        scaled: divide by the series' mean.
        seed: of the rows that are drawn.
    """
    import lightgbm

    rows, target, weight = [], [], []
    for origin in origins:
        use = np.flatnonzero(panel.first < origin)
        features, scale = _features(panel.until(origin, horizon), horizon, scaled)
        demand = panel.units[:, origin : origin + horizon] / scale[:, None]
        rows.append(features[use].reshape(-1, features.shape[2]))
        target.append(demand[use].ravel())
        weight.append(np.repeat(scale[use], horizon))
    table, goal, heavy = np.concatenate(rows), np.concatenate(target), np.concatenate(weight)
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.choice(len(table), min(MOST_ROWS, len(table)), replace=False))
    learned = lightgbm.Dataset(table[chosen], goal[chosen], weight=heavy[chosen], free_raw_data=False)
    features, scale = _features(panel, horizon, scaled)
    ahead = features.reshape(-1, features.shape[2])
    found = [
        lightgbm.train(SETTINGS | {"alpha": level, "seed": seed}, learned, TREES).predict(ahead, num_threads=1)
        for level in levels
    ]
    quantiles = np.sort(np.stack(found, -1), -1).reshape(len(panel), horizon, -1)
    return np.maximum(quantiles, 0) * scale[:, None, None]


def _features(panel: SeriesPanel, horizon: int, scaled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a row for each series and step ahead, and what units were divided by."""
    known = np.arange(panel.time)[None] >= panel.first[:, None]
    units = np.where(known, panel.units, 0)
    mean = units.sum(1) / np.maximum(known.sum(1), 1)
    scale = np.maximum(mean, 0.01 * max(mean.mean(), 1e-9)) if scaled else np.ones(len(panel))
    units = units / scale[:, None]
    week = 7 if panel.step_days == 1 else 1
    past = np.pad(units, ((0, 0), (max(13 * week - panel.time, 0), 0)))
    static = [past[:, -lag] for lag in range(1, (7 if week == 7 else 4) + 1)]
    for weeks in (1, 4, 13):
        count = np.maximum(known[:, -weeks * week :].sum(1), 1)
        recent = units[:, -weeks * week :]
        static += [recent.sum(1) / count, recent.std(1), (recent > 0).sum(1) / count]
    static += [mean, known.sum(1), np.log(panel.price[:, panel.time - 1]), panel.category]
    usual = panel.price[:, max(panel.time - 13 * week, 0) : panel.time].mean(1)
    plain = [column for column in panel.calendar.T if np.isin(column, (0, 1)).all()]
    result = []
    for step in range(horizon):
        at = panel.time + step
        own = [past[:, -week * back + step % week] for back in range(1, 5)] if week == 7 else []
        same = np.full(len(panel), step + 1)
        ahead = [same, panel.promotion[:, at], np.log(panel.price[:, at]), np.log(panel.price[:, at] / usual)]
        ahead += [np.full(len(panel), column[at]) for column in plain]
        result.append(np.stack([*static, *own, *ahead], 1))
    return np.stack(result, 1).astype(np.float32), scale
