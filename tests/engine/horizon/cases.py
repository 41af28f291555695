"""Horizon problems for tests, one unless told."""

from typing import Any

import numpy as np

from optimizer.engine.horizon import HorizonProblem

DEFAULTS = {
    "periods": 3, "stock": 4, "unit_cost": 6.0, "salvage": 2.0, "shortage_cost": 0.5, "start_price": 10.0,
    "min_price": 9.0, "max_price": 11.1, "demand": 1.3, "reference": 10.0, "elasticity": -2.0, "season": 1.0,
    "competitor": 10.0, "cross_elasticity": 0.0,
}  # fmt: skip


def a_problem(size: int = 1, **fields: Any) -> HorizonProblem:
    """4 units at 10.00 for three periods, 1.3 sold in each, e = −2, prices 9.05 to 11.05 in steps of 5 %."""
    unknown = fields.keys() - DEFAULTS.keys()
    assert not unknown, unknown
    columns = {}
    for name, value in (DEFAULTS | fields).items():
        if name in ("season", "competitor"):
            continue
        kind = np.int64 if name in ("periods", "stock") else np.float64
        columns[name] = np.array(np.broadcast_to(np.asarray(value, dtype=kind), (size,)))
    longest = int(columns["periods"].max())
    season, competitor = fields.get("season", 1.0), fields.get("competitor", 10.0)
    columns["season"] = np.array(np.broadcast_to(np.asarray(season, dtype=np.float64), (size, longest)))
    columns["competitor"] = np.array(np.broadcast_to(np.asarray(competitor, dtype=np.float64), (size, longest)))
    return HorizonProblem(**columns)
