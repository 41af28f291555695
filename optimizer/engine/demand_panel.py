"""Weekly sales of many SKUs, in long form."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from .pricing_arrays import Floats

WEEKS_PER_YEAR: Final = 365.25 / 7
LEAST_WEEKS, LEAST_LOG_PRICE_SD = 8, 0.01
"""Below these a SKU's own sales say nothing about its elasticity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandPanel:
    """Hold weekly sales: one row a SKU and week with sales, in any order.

    Weeks without sales are left out, because their log does not exist: what is fitted is the demand of a week with
    sales.

    Args:
        sku: (row,) int64, 0 to n_skus − 1.
        week: (row,) int64, any origin.
        log_price: (row,) float64, ln of the week's price.
        log_units: (row,) float64, ln of the week's units, units > 0.
        n_skus: number of SKUs; those without rows keep the prior.

    Raises:
        ValueError: arrays of different lengths, an index out of range, or a value that is not finite; the message
            names the array, the row and the cure.
    """

    sku: Ints
    week: Ints
    log_price: Floats
    log_units: Floats
    n_skus: int

    def __post_init__(self) -> None:
        for name, dtype in (
            ("sku", np.int64),
            ("week", np.int64),
            ("log_price", np.float64),
            ("log_units", np.float64),
        ):
            values = getattr(self, name)
            if values.dtype != dtype or values.shape != self.sku.shape or values.ndim != 1:
                raise ValueError(
                    f"{name}: got {values.dtype}{values.shape}; give {np.dtype(dtype)} of shape {self.sku.shape}"
                )
        outside = np.flatnonzero((self.sku < 0) | (self.sku >= self.n_skus))
        if len(outside):
            raise ValueError(f"sku: row {outside[0]} is {self.sku[outside[0]]}; give 0 to {self.n_skus - 1}")
        for name in ("log_price", "log_units"):
            wrong = np.flatnonzero(~np.isfinite(getattr(self, name)))
            if len(wrong):
                raise ValueError(f"{name}: row {wrong[0]} is not finite; leave out weeks without price or sales")

    def __len__(self) -> int:
        return len(self.sku)
