"""Markdown problems for tests, one SKU unless told."""

from typing import Any

import numpy as np

from optimizer.markdown import UNLIMITED, MarkdownProblem


def a_problem(size: int = 1, **fields: Any) -> MarkdownProblem:
    """20 units at 10.00, 3 sold a period, four periods, e = -2, free to move as often and as far as wanted."""
    defaults = {
        "stock": 20, "periods": 4, "current": 1000.0, "ladder": [1000.0, 900.0, 800.0, 700.0], "demand": 3.0,
        "reference": 1000.0, "elasticity_mean": -2.0, "elasticity_sd": 0.0, "log_demand_sd": 0.0, "salvage": 0.0,
        "target": 0, "penalty": 0.0, "only_down": False, "max_changes": UNLIMITED, "max_step": np.inf,
    }  # fmt: skip
    wholes = {"stock", "periods", "target", "max_changes"}
    columns = {}
    for name, value in (defaults | fields).items():
        kind = np.int64 if name in wholes else bool if name == "only_down" else np.float64
        column = np.asarray(value, dtype=kind)
        columns[name] = (
            column
            if column.ndim and len(column) == size and name != "ladder"
            else np.repeat(column[None], size, axis=0)
        )
    return MarkdownProblem(**columns)
