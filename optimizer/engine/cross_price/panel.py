"""Prices and sales of the products of one category, week by week."""

from dataclasses import dataclass

import numpy as np

from ..pricing_arrays import Floats


@dataclass(frozen=True, kw_only=True)
class CategoryPanel:
    """Hold a category's weeks.

    Args:
        log_price: (week, product) float64, ln of the price in force, known in every week: of a week without sales, too.
        log_units: (week, product) float64; NaN in weeks without sales.
        season: (week,) float64, what weeks were for the shop, such as its week effects; None: nothing is known of it.

    Raises:
        ValueError: shapes or values that do not go together; the message names the array and the cure.
    """

    log_price: Floats
    log_units: Floats
    season: Floats | None = None

    def __post_init__(self) -> None:
        if self.log_price.ndim != 2 or self.log_price.shape != self.log_units.shape:
            raise ValueError(
                f"log_price, log_units: got {self.log_price.shape} and {self.log_units.shape}; give (week, product)"
            )
        if not np.isfinite(self.log_price).all():
            week, product = np.argwhere(~np.isfinite(self.log_price))[0]
            raise ValueError(f"log_price: week {week} of product {product} is not finite; give the price in force")
        if np.isinf(self.log_units).any():
            raise ValueError("log_units: give NaN for weeks without sales")
        if self.season is not None and (
            self.season.shape != self.log_price.shape[:1] or not np.isfinite(self.season).all()
        ):
            raise ValueError(f"season: give ({len(self.log_price)},) finite values, one a week")
        rows = np.isfinite(self.log_units).sum(0)
        if (rows < 2).any():
            raise ValueError(f"log_units: product {int(np.argmin(rows))} sold in {int(rows.min())} weeks; leave it out")

    @property
    def products(self) -> int:
        return int(self.log_price.shape[1])
