"""The engine's one place where float amounts become exact integers, and back."""

from typing import Final

import numpy as np

from catalog.guardrails import BASIS, COST_UNITS_PER_TICK, MISSING, Ints

from .pricing_arrays import Floats

GUARD_DECIMALS: Final = 6
"""Decimals kept before rounding, so that 2.675 · 100 = 267.49999999999997 counts as the half that was meant."""


def to_ticks(amount: Floats, exponent: Ints) -> Ints:
    """Round amounts to minor units, half to even.

    Args:
        amount: (row,) float64 in the currency's unit; NaN where missing.
        exponent: (row,) int64, decimals of the currency (2 for EUR, 0 for JPY).

    Returns:
        (row,) int64 ticks, `MISSING` for NaN.
    """
    return _to_whole(amount * 10.0**exponent)


def to_cost_units(amount: Floats, exponent: Ints) -> Ints:
    """Round costs up to hundredths of a minor unit; NaN becomes `MISSING`. Arguments as in `to_ticks`.

    Up, so that no price below the cost passes for one above.
    """
    scaled = np.round(amount * 10.0**exponent * COST_UNITS_PER_TICK, GUARD_DECIMALS)
    return _to_whole(np.ceil(scaled))


def to_basis_points(rate: Floats) -> Ints:
    """Round (row,) float64 rates to int64 basis points, half to even; NaN becomes `MISSING`."""
    return _to_whole(rate * BASIS)


def to_units(amount: Floats) -> Ints:
    """Cut (row,) float64 stock down to whole int64 units; NaN and infinity become `MISSING`, without limit."""
    return _to_whole(np.floor(np.where(np.isinf(amount), np.nan, amount)))


def to_amount(ticks: Ints | Floats, exponent: Ints) -> Floats:
    """Return (row,) float64 amounts in the currency's unit; NaN for `MISSING`."""
    known = np.where(ticks == MISSING, np.nan, ticks)
    return np.asarray(known / 10.0**exponent, dtype=np.float64)


def _to_whole(scaled: Floats) -> Ints:
    missing = np.isnan(scaled)
    whole = np.rint(np.round(np.where(missing, 0.0, scaled), GUARD_DECIMALS))
    return np.where(missing, MISSING, whole.astype(np.int64))
