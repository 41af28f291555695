"""Sales in long form, with what moved prices for reasons that have nothing to do with demand."""

from dataclasses import dataclass, field

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats


@dataclass(frozen=True, kw_only=True)
class CausalPanel:
    """Hold one row a product (or product and region) and week.

    Args:
        log_units: (row,) float64.
        log_price: (row,) float64, suspected of having been set with demand in view.
        entity: (row,) int64, the product, or product and region: its own level of demand is taken out.
        week: (row,) int64; what all products share in a week is taken out.
        controls: other drivers of demand, (row,) float64 each, such as a promotion.
        instruments: what moves the price and demand only through it, (row,) float64 each: see `instruments`.
        clusters: (row,) int64 within which errors may be related in any way; the entities where None.

    Raises:
        ValueError: lengths or values that do not go together; the message names the field and the cure.
    """

    log_units: Floats
    log_price: Floats
    entity: Ints
    week: Ints
    controls: dict[str, Floats] = field(default_factory=dict)
    instruments: dict[str, Floats] = field(default_factory=dict)
    clusters: Ints | None = None

    def __post_init__(self) -> None:
        rows = len(self.log_units)
        numbers = {"log_units": self.log_units, "log_price": self.log_price, **self.controls, **self.instruments}
        keys = {"entity": self.entity, "week": self.week}
        if self.clusters is not None:
            keys["clusters"] = self.clusters
        for name, values in {**numbers, **keys}.items():
            if values.shape != (rows,):
                raise ValueError(f"{name}: got shape {values.shape}; give ({rows},), one value a row of log_units")
        for name, values in numbers.items():
            wrong = np.flatnonzero(~np.isfinite(values))
            if len(wrong):
                raise ValueError(f"{name}: row {wrong[0]} is not finite; leave out rows that are not known")

    def __len__(self) -> int:
        return len(self.log_units)

    @property
    def cluster(self) -> Ints:
        return self.entity if self.clusters is None else self.clusters
