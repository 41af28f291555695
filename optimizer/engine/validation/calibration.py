"""Whether intervals of weeks to come hold what they promise."""

from typing import Final

import numpy as np
from scipy import stats

from ..demand_panel import DemandPanel
from ..pricing_arrays import Floats
from .price_changes import DemandLine, TooLittleToTry, price_change_errors

PROBABILITIES: Final = (0.5, 0.8, 0.9)


def calibration(
    line: DemandLine, held: DemandPanel, *, elasticity_sd: Floats, level_sd: Floats, residual_sd: Floats
) -> dict[float, float]:
    """Return, for intervals of 50, 80 and 90 %, which share of the held-out weeks lay in them.

    The interval of ln units is normal around what is predicted, with the uncertainty of level and elasticity and the
    noise of a week; what a week was for the whole shop is taken out, as in `price_change_errors`.

    Args:
        line: what is predicted.
        held: weeks that it has not seen.
        elasticity_sd, level_sd, residual_sd: (sku,) float64, standard deviations in ln units.

    Raises:
        TooLittleToTry: no held-out row was predicted.
    """
    errors = price_change_errors(line, held)
    away = held.log_price - line.reference[held.sku]
    variance = level_sd**2 + residual_sd**2
    sd = np.sqrt(variance[held.sku] + (away * elasticity_sd[held.sku]) ** 2)
    known = np.isfinite(errors) & np.isfinite(sd)
    if not known.any():
        raise TooLittleToTry("no held-out week was predicted: hold more weeks out")
    standard = np.abs(errors[known]) / sd[known]
    return {share: float((standard <= stats.norm.ppf(0.5 + share / 2)).mean()) for share in PROBABILITIES}
