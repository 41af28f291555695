"""Error spending: how much of alpha (or beta) may be used up by each point of a test's life."""

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

SPENDING = ("obrien_fleming", "pocock", "power", "hwang_shih_decani")
DEFAULT_EXPONENT = 3.0
DEFAULT_GAMMA = -4.0


def spent(family: str, alpha: float, time: Any, parameter: float | None = None) -> Any:
    """Return the error used up by a time: 0 at 0, alpha from 1 on.

        obrien_fleming      2·(1 − Φ(z_{α/2}/√t))            next to nothing early
        pocock              α·ln(1 + (e − 1)·t)              about the same at each look
        power               α·t^ρ                            ρ = ``parameter``, 3 unless given
        hwang_shih_decani   α·(1 − e^{−γt})/(1 − e^{−γ})     γ = ``parameter``, −4 unless given

    For a two-sided test spend alpha/2 on each side.

    Args:
        family: one of SPENDING.
        alpha: the whole error, in 0..1.
        time: (...) float64, >= 0, share of the planned information (or of the planned days) that has passed.
        parameter: ρ > 0 of the power family, γ of Hwang, Shih and DeCani's.

    Raises:
        ValueError: for another family, a negative time, or ρ <= 0.

    Source: Lan, DeMets (1983); Kim, DeMets (1987); Hwang, Shih, DeCani (1990).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: got {alpha}; give an error rate between 0 and 1")
    share = np.asarray(time, dtype=float)
    if np.any(~(share >= 0)):
        raise ValueError(f"time: got {time}; give shares of the planned horizon, >= 0")
    used = _spent(family, alpha, np.minimum(share, 1.0), parameter)
    return used if used.ndim else float(used)


def _spent(family: str, alpha: float, share: Any, parameter: float | None) -> Any:
    if family == "obrien_fleming":
        with np.errstate(divide="ignore"):
            return np.asarray(2 * ndtr(ndtri(alpha / 2) / np.sqrt(share)))
    if family == "pocock":
        return alpha * np.log1p((np.e - 1) * share)
    if family == "power":
        exponent = DEFAULT_EXPONENT if parameter is None else parameter
        if not exponent > 0:
            raise ValueError(f"parameter: got {exponent}; give an exponent above 0 for power spending")
        return alpha * share**exponent
    if family == "hwang_shih_decani":
        gamma = DEFAULT_GAMMA if parameter is None else parameter
        return alpha * share if gamma == 0 else alpha * np.expm1(-gamma * share) / np.expm1(-gamma)
    raise ValueError(f"spending: got {family!r}; give one of {', '.join(SPENDING)}")
