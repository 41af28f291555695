"""Choose for the core exactly, by an integer programme."""

from typing import Final

import numpy as np
from scipy.sparse import coo_array, csr_array, vstack

from catalog.guardrails import Ints

from .core import Core
from .solver import quiet_solver

SECONDS: Final = 2.0
MOST_CHOICES: Final = 5_000
"""Of more, hardly any programme is solved in that time."""

TOLERANCE: Final = 1e-9
"""By how much a row, scaled to 1, may be missed: HiGHS's 1e-6 lets choices pass that miss a limit."""


def choose_exactly(core: Core, *, enough: float, start: Ints | None) -> Ints | None:
    """Take one option of each SKU, of highest value, so that all limits are kept.

    Args:
        core: the choices.
        enough: stop where no choice is worth more than this above the best found.
        start: a choice to begin with, or None.

    Returns:
        (SKU of the core,) int64 places among the core's choices; None where there is none, none was found in time,
        or there are more than `MOST_CHOICES`.
    """
    count, places = len(core.row), np.arange(len(core.row))
    if count > MOST_CHOICES:
        return None
    couplings = core.usage.shape[1]
    once = csr_array(coo_array((np.ones(count), (core.row, places)), shape=(core.size, count)))
    entries = core.usage.reshape(-1), (core.limit.reshape(-1), np.repeat(places, couplings))
    usage = csr_array(coo_array(entries, shape=(len(core.rest), count)))
    touched = np.unique(core.limit)
    if (np.delete(core.rest, touched) < -TOLERANCE).any():
        return None
    rows = csr_array(vstack([once, usage[touched]], format="csr"))
    low = np.concatenate([np.ones(core.size), np.full(len(touched), -np.inf)])
    high = np.concatenate([np.ones(core.size), core.rest[touched]])
    unit = max(float(np.ptp(core.value)), 1e-300)
    solver, none = quiet_solver(), np.zeros(0, dtype=np.int32)
    solver.addCols(count, -core.value / unit, np.zeros(count), np.ones(count), 0, none, none, np.zeros(0))
    solver.changeColsIntegrality(count, places.astype(np.int32), np.ones(count, dtype=np.uint8))
    starts, columns = rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32)
    solver.addRows(rows.shape[0], low, high, rows.nnz, starts, columns, rows.data)
    settings = {"time_limit": SECONDS, "mip_abs_gap": enough / unit, "mip_rel_gap": 0.0}
    settings |= {"mip_feasibility_tolerance": TOLERANCE, "primal_feasibility_tolerance": TOLERANCE}
    for option, setting in settings.items():
        solver.setOptionValue(option, setting)
    if start is not None:
        solver.setSolution(len(start), start.astype(np.int32), np.ones(len(start)))
    solver.run()
    found = solver.getSolution()
    if not found.value_valid:
        return None
    taken = np.flatnonzero(np.asarray(found.col_value) > 0.5)
    return taken if np.array_equal(core.row[taken], np.arange(core.size)) else None
