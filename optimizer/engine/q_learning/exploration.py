"""Actions at random now and then, so that more is seen than what is believed best."""

import numpy as np

from optimizer.engine.horizon.problem import Bools, Floats, Ints


def sometimes_random(action: Ints, mask: Bools, share: float, rng: np.random.Generator) -> Ints:
    """Return (n,) the actions, but for a share of them one at random of those that the (n, 5) mask admits."""
    chance: Floats = np.where(mask, rng.uniform(0, 1, mask.shape), -1.0)
    explores = rng.uniform(0, 1, len(mask)) < share
    return np.where(explores, chance.argmax(axis=1), action).astype(np.int64)
