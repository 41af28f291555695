"""Weekly sales of many SKUs, in long form."""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
        promotion: (row,) float64, share of the week on promotion; None: none was.
        holiday: (row,) float64, such as 1 in a week with a public holiday; None: not asked.
        competitor_log_price: (row,) float64, ln of what competitors asked; NaN where it is not known.
        stocked_out: (row,) bool, whether demand was at least what was sold; None: it never was more.

    What else moved demand (the last four) the hierarchical fit reads; the independent one does not.

    Raises:
        ValueError: arrays of different lengths, an index out of range, or a value that is not finite; the message
            names the array, the row and the cure.
    """

    sku: Ints
    week: Ints
    log_price: Floats
    log_units: Floats
    n_skus: int
    promotion: Floats | None = None
    holiday: Floats | None = None
    competitor_log_price: Floats | None = None
    stocked_out: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name, dtype in (
            ("sku", np.int64),
            ("week", np.int64),
            ("log_price", np.float64),
            ("log_units", np.float64),
            ("promotion", np.float64),
            ("holiday", np.float64),
            ("competitor_log_price", np.float64),
            ("stocked_out", np.bool_),
        ):
            values = getattr(self, name)
            if values is None:
                continue
            if values.dtype != dtype or values.shape != self.sku.shape or values.ndim != 1:
                raise ValueError(
                    f"{name}: got {values.dtype}{values.shape}; give {np.dtype(dtype)} of shape {self.sku.shape}"
                )
        outside = np.flatnonzero((self.sku < 0) | (self.sku >= self.n_skus))
        if len(outside):
            raise ValueError(f"sku: row {outside[0]} is {self.sku[outside[0]]}; give 0 to {self.n_skus - 1}")
        for name in ("log_price", "log_units", "promotion", "holiday"):
            values = getattr(self, name)
            if values is not None and len(wrong := np.flatnonzero(~np.isfinite(values))):
                raise ValueError(f"{name}: row {wrong[0]} is not finite; leave out weeks without price or sales")

    def __len__(self) -> int:
        return len(self.sku)

    def of_rows(self, kept: NDArray[np.bool_]) -> "DemandPanel":
        """Return some of the rows; SKUs keep their numbers."""
        return self._taken(kept)

    def of(self, skus: Ints) -> "DemandPanel":
        """Return the rows of some SKUs, (sku,) distinct numbers; they become 0, 1 and so on, in the order given."""
        place = np.full(self.n_skus, -1)
        place[skus] = np.arange(len(skus))
        kept = self.of_rows(place[self.sku] >= 0)
        return replace(kept, sku=place[kept.sku], n_skus=len(skus))

    def sorted_by_sku(self) -> "DemandPanel":
        """Return the rows by SKU, then by week."""
        return self._taken(np.lexsort((self.week, self.sku)))

    def usual_weeks(self) -> "DemandPanel":
        """Return the rows without promotion that did not sell out: those that price alone should explain."""
        return self.of_rows(self.is_usual())

    def is_usual(self) -> NDArray[np.bool_]:
        """Return (row,) which of the rows `usual_weeks` keeps."""
        usual = np.ones(len(self), dtype=bool)
        if self.promotion is not None:
            usual &= self.promotion == 0
        if self.stocked_out is not None:
            usual &= ~self.stocked_out
        return usual

    def _taken(self, rows: Ints | NDArray[np.bool_]) -> "DemandPanel":
        columns = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "n_skus"}
        return replace(self, **{name: values[rows] for name, values in columns.items() if values is not None})
