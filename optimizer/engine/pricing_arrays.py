"""What goes into and comes out of one optimisation: arrays, one row a SKU."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import MISSING, RULE_LABELS, GuardrailBatch, Ints, PriceFacts

Floats = NDArray[np.float64]

UNPRICED_REASONS: Final = ("", "missing_cost", "missing_price", "no_demand", "no_upper_limit")
"""Why a SKU got no price, by the code in `PricingResult.unpriced`; code 0 means that it got one."""

WHOLE_COLUMNS: Final = (
    "current_ticks",
    "cost_units",
    "inventory",
    "competitor_ticks",
    "day_start_ticks",
    "changes_today",
)

MISSING_COST, MISSING_PRICE, NO_DEMAND, NO_UPPER_LIMIT = range(1, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingInputs:
    """Hold what is known about each SKU, in exact units.

    Args:
        current_ticks: (sku,) int64 minor units, the price in force; `MISSING` or ≤ 0: not priced.
        cost_units: (sku,) int64 hundredths of a minor unit; `MISSING` or ≤ 0: not priced.
        demand: (sku,) float64 units expected in the period at the price in force, ≥ 0; 0: not priced.
        elasticity_mean: (sku,) float64, posterior mean of the signed own-price elasticity.
        elasticity_sd: (sku,) float64, its posterior standard deviation, ≥ 0.
        guardrails: limits, one row a SKU.
        log_demand_sd: (sku,) float64, standard deviation of the log of demand, ≥ 0; None for 0.
        inventory: (sku,) int64 units; `MISSING` where nothing limits sales; None for all `MISSING`.
        competitor_ticks: (sku,) int64 minor units; `MISSING` where there is none; None for all `MISSING`.
        day_start_ticks: (sku,) int64 minor units, the price in force 24 hours ago; `MISSING` or ≤ 0: the maximum
            change per day does not apply; None for all `MISSING`.
        changes_today: (sku,) int64, changes of the price within 24 hours; `MISSING`: not limited; None for all
            `MISSING`.

    Raises:
        ValueError: an array has another length, or a value outside its domain; the message names the array, the row
            and the cure.
    """

    current_ticks: Ints
    cost_units: Ints
    demand: Floats
    elasticity_mean: Floats
    elasticity_sd: Floats
    guardrails: GuardrailBatch
    log_demand_sd: Floats | None = None
    inventory: Ints | None = None
    competitor_ticks: Ints | None = None
    day_start_ticks: Ints | None = None
    changes_today: Ints | None = None

    def __post_init__(self) -> None:
        for name in WHOLE_COLUMNS:
            self._check_whole(name)
        for name in ("demand", "elasticity_mean", "elasticity_sd", "log_demand_sd"):
            self._check_real(name, lowest=-np.inf if name == "elasticity_mean" else 0.0)
        if len(self.guardrails) != len(self):
            raise ValueError(f"guardrails: {len(self.guardrails)} rows for {len(self)} SKUs; give one row a SKU")

    def __len__(self) -> int:
        return len(self.current_ticks)

    def _check_whole(self, name: str) -> None:
        values = getattr(self, name)
        if values is None:
            object.__setattr__(self, name, np.full(len(self), MISSING, dtype=np.int64))
        elif values.dtype != np.int64 or values.shape != (len(self),):
            raise ValueError(f"{name}: got {values.dtype}{values.shape}; give int64 of shape ({len(self)},)")

    def _check_real(self, name: str, lowest: float) -> None:
        values = getattr(self, name)
        if values is None:
            values = np.zeros(len(self))
            object.__setattr__(self, name, values)
        if values.dtype != np.float64 or values.shape != (len(self),):
            raise ValueError(f"{name}: got {values.dtype}{values.shape}; give float64 of shape ({len(self)},)")
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= lowest)))
        if len(wrong):
            domain = "a finite number" if lowest == -np.inf else "a finite number, 0 or more"
            raise ValueError(f"{name}: row {wrong[0]} is {values[wrong[0]]}; give {domain}, or leave the SKU out")

    def rows(self, rows: slice | Ints) -> "PricingInputs":
        """Return some of the SKUs."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "guardrails"}
        return PricingInputs(
            **{name: array[rows] for name, array in arrays.items()}, guardrails=self.guardrails.take(rows)
        )

    def facts(self) -> PriceFacts:
        """Return the facts that the guardrails are measured against."""
        assert self.inventory is not None and self.competitor_ticks is not None
        assert self.day_start_ticks is not None and self.changes_today is not None
        return PriceFacts(
            cost_units=self.cost_units,
            current_ticks=self.current_ticks,
            stock=self.inventory,
            competitor_ticks=self.competitor_ticks,
            day_start_ticks=self.day_start_ticks,
            changes_today=self.changes_today,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingResult:
    """Hold the decision for each SKU, in the order of the inputs; money in ticks.

    Whole numbers are `MISSING` and real numbers NaN where `unpriced` is not 0. Expected values are at the new price,
    with sales limited by stock; `_low` and `_high` are the 5 % and 95 % posterior quantiles.

    Args:
        price_ticks, previous_ticks, lower_ticks, upper_ticks: (sku,) int64; the last two are the admissible band.
        candidate_ticks: (sku,) int64, the best price without guardrails and stock; `MISSING` where the objective
            has no finite one (revenue, units, or an elasticity of -1 or above).
        rule, lower_rule, upper_rule: (sku,) int8 codes of `catalog.guardrails.Rule`: what decided the price, and
            what limits it from below and from above.
        unpriced: (sku,) int8 index into `UNPRICED_REASONS`.
        expected_demand, demand_low, demand_high: (sku,) float64 units.
        expected_revenue, revenue_low, revenue_high, expected_profit, profit_low, profit_high: (sku,) float64 ticks.
        previous_demand: (sku,) float64 units, expected sales at the price in force.
        previous_profit: (sku,) float64 ticks, expected profit at the price in force.
        profit_change_mean, profit_change_sd: (sku,) float64 ticks; the mean is expected_profit - previous_profit.
        probability_better: (sku,) float64, that the new price earns more than the price in force; 0 if it stays.
        expected_share: (sku,) float64, own units/(own + competitor's units); NaN without a competitor price.
    """

    price_ticks: Ints
    previous_ticks: Ints
    lower_ticks: Ints
    upper_ticks: Ints
    candidate_ticks: Ints
    rule: NDArray[np.int8]
    lower_rule: NDArray[np.int8]
    upper_rule: NDArray[np.int8]
    unpriced: NDArray[np.int8]
    expected_demand: Floats
    demand_low: Floats
    demand_high: Floats
    expected_revenue: Floats
    revenue_low: Floats
    revenue_high: Floats
    expected_profit: Floats
    profit_low: Floats
    profit_high: Floats
    previous_demand: Floats
    previous_profit: Floats
    profit_change_mean: Floats
    profit_change_sd: Floats
    probability_better: Floats
    expected_share: Floats

    def __len__(self) -> int:
        return len(self.price_ticks)

    @classmethod
    def empty(cls, size: int) -> "PricingResult":
        """Return a result to fill in, with nothing priced yet."""
        whole = ("price_ticks", "previous_ticks", "lower_ticks", "upper_ticks", "candidate_ticks")
        codes = ("rule", "lower_rule", "upper_rule", "unpriced")
        arrays: dict[str, NDArray[np.generic]] = {field.name: np.full(size, np.nan) for field in fields(cls)}
        arrays |= {name: np.full(size, MISSING, dtype=np.int64) for name in whole}
        arrays |= {name: np.zeros(size, dtype=np.int8) for name in codes}
        return cls(**arrays)  # type: ignore[arg-type]

    def binding_rules(self) -> NDArray[np.object_]:
        """Return the label of each SKU's binding rule, (sku,) str."""
        return np.array(RULE_LABELS, dtype=object)[self.rule]

    def unpriced_reasons(self) -> NDArray[np.object_]:
        """Return why each SKU got no price, (sku,) str, None where it got one."""
        return np.array([reason or None for reason in UNPRICED_REASONS], dtype=object)[self.unpriced]
