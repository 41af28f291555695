"""LightGBM with a model a quantile (Ke et al. 2017), over the features that the network's decoder reads."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from .examples import Examples
from .panel import Floats
from .windows import Windows

MOST_ROWS = 60_000
TREES = 120
SETTINGS = {
    "objective": "quantile",
    "learning_rate": 0.08,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "max_bin": 63,
    # Random thresholds over some features and rows: 1 % less loss on the demo's weeks, where few origins mislead.
    "extra_trees": True,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}


def boosting_is_installed() -> bool:
    """Return whether the extra `forecast` is there."""
    return find_spec("lightgbm") is not None


class BoostedQuantiles:
    """Hold a LightGBM model for each level."""

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = models

    def quantiles(self, read: Windows) -> Floats:
        """Return quantiles of demand in units, (series, horizon, level), sorted, 0 or more."""
        series, horizon, width = read.ahead.shape
        rows = read.ahead.reshape(-1, width)
        found = np.stack(
            [model.predict(rows, num_threads=torch.get_num_threads()) for model in self.models], -1
        ).reshape(series, horizon, -1)
        return np.asarray(np.maximum(np.sort(found, -1), 0) * read.scale[:, None, None])

    def to_texts(self) -> list[str]:
        """Return each model as LightGBM writes it."""
        return [model.model_to_string() for model in self.models]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> "BoostedQuantiles":
        """Return the models that `to_texts` wrote; raises ImportError without the extra `forecast`."""
        import lightgbm

        return cls([lightgbm.Booster(model_str=text) for text in texts])


def fit_boosting(examples: list[Examples], levels: Sequence[float], seed: int) -> BoostedQuantiles:
    """Return models fitted to at most 60,000 steps drawn from ``examples``; censored steps are left out."""
    import lightgbm

    kept = [(one, one.valid & ~one.censored) for one in examples]
    rows = np.concatenate([one.read.ahead[use] for one, use in kept])
    scale = np.concatenate([np.broadcast_to(one.read.scale[:, None], use.shape)[use] for one, use in kept])
    target = np.concatenate([one.demand[use] for one, use in kept]) / scale
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.choice(len(rows), min(MOST_ROWS, len(rows)), replace=False))
    # The root between one weight a step and one a unit: the loss counts units, but few series would be all of it.
    data = lightgbm.Dataset(rows[chosen], target[chosen], weight=np.sqrt(scale[chosen]), free_raw_data=False)
    settings = SETTINGS | {"seed": seed, "num_threads": torch.get_num_threads()}
    return BoostedQuantiles([lightgbm.train(settings | {"alpha": level}, data, TREES) for level in levels])
