"""Price a whole data frame at once."""

from typing import Any, cast

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from catalog.guardrails import GuardrailBatch, Guardrails

from .columns import FrameError
from .devices import resolve_device
from .frames import read_frame, write_frame
from .pricing_arrays import PricingInputs, PricingResult
from .ticks import DEFAULT_BATCH_SIZE, optimize_ticks


class GPUBatchProcessor:
    """Optimise the prices of many SKUs at once, on a GPU where there is one.

    Use it for a night's batch or from a notebook; it needs no database.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        batch_size: SKUs on the device at a time; halved when the device runs out of memory.

    Raises:
        ValueError: the device is not there; the message lists those that are.
    """

    def __init__(self, device: str = "auto", batch_size: int = DEFAULT_BATCH_SIZE) -> None:
        self.device = resolve_device(device)
        self.batch_size = batch_size

    def optimize_batch(
        self,
        frame: IntoDataFrameT,
        objective: str = "profit",
        guardrails: Guardrails | GuardrailBatch | None = None,
    ) -> IntoDataFrameT:
        """Choose the best admissible price of every row.

        argmax over the admissible prices p of E[objective(p)], with E[Q(p)] = demand·exp(m·x + s²x²/2),
        x = ln(p/price), and sales limited by inventory.

        Args:
            frame: pandas, Polars (eager) or PyArrow table, one row a SKU. Required: `sku`; `price`, currency, > 0;
                `unit_cost`, currency, ≥ 0 (null or 0: not priced); `demand`, units expected in the period at `price`,
                ≥ 0; `elasticity_mean`, signed; `elasticity_sd`, ≥ 0. Optional: `log_demand_sd`, ≥ 0; `inventory`,
                units; `competitor_price`, currency; `day_start_price`, currency, in force 24 hours ago;
                `changes_today`, price changes since then; `currency_exponent`, decimals of the currency, default 2;
                and limits of single rows, null for the default: `min_margin`, `max_change`, `max_change_per_day`,
                `competitor_min`, `competitor_max` (fractions), `floor`, `ceiling`, `map_price` (currency),
                `inventory_threshold` (units), `max_changes_per_day` (changes), `price_endings`
                (list, or text such as `99,49`). Amounts are rounded to the minor unit, costs to its hundredth, half to
                even.
            objective: `profit`, `revenue`, `market_share`, or another registered one.
            guardrails: limits for all rows, or one row each; None for the defaults.

        Returns:
            A frame of the same kind, in the same order: `sku`, `price` (null where not priced), `previous_price`,
            `expected_demand`, `demand_low`, `demand_high`, the same three for revenue and profit (5 % and 95 %
            posterior quantiles), `previous_profit`, `profit_change_mean`, `profit_change_sd`, `probability_better`,
            `expected_share` (null without a competitor), `binding_rule`, `unpriced_reason`.

        Raises:
            FrameError: a column is missing, holds text or a value outside its domain; the message names the column,
                the row and the cure.
            ValueError: no such objective; the message lists those there are.
        """
        table = self._eager(frame)
        inputs, exponent = read_frame(table, guardrails)
        result = self.optimize_ticks(inputs, objective)
        return cast(IntoDataFrameT, write_frame(table, result, exponent).to_native())

    def optimize_ticks(self, inputs: PricingInputs, objective: str = "profit") -> PricingResult:
        """Choose the best admissible price from exact integer inputs; see `optimizer.engine.optimize_ticks`."""
        return optimize_ticks(inputs, objective, device=self.device, batch_size=self.batch_size)

    @staticmethod
    def _eager(frame: Any) -> nw.DataFrame[Any]:
        try:
            return nw.from_native(frame, eager_only=True)
        except TypeError as error:
            kind = f"{type(frame).__module__}.{type(frame).__qualname__}"
            raise FrameError(
                f"cannot read a {kind}; give a pandas or Polars DataFrame (collect a LazyFrame) or a PyArrow table"
            ) from error
