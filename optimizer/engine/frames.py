"""Data frames in and out: pandas, Polars or PyArrow, through Narwhals."""

from dataclasses import replace
from typing import Any, Final

import narwhals as nw
import numpy as np

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails, Ints, index_endings

from .columns import check_domain, endings, numbers, numbers_or, require_columns
from .money import to_amount, to_basis_points, to_cost_units, to_ticks, to_units
from .pricing_arrays import Floats, PricingInputs, PricingResult

REQUIRED: Final = ("sku", "price", "unit_cost", "demand", "elasticity_mean", "elasticity_sd")

DEFAULT_EXPONENT: Final = 2.0

RATES: Final = {
    "min_margin": "min_margin_bp",
    "max_change": "max_change_bp",
    "max_change_per_day": "max_change_per_day_bp",
    "competitor_min": "competitor_min_bp",
    "competitor_max": "competitor_max_bp",
}
"""Override columns that are fractions, and the guardrail each sets."""

RATE_DOMAINS: Final = {
    "min_margin": (0.0, 0.9999),
    "max_change": (0.0, 1000.0),
    "max_change_per_day": (0.0, 1000.0),
}

COUNTS: Final = ("inventory_threshold", "max_changes_per_day")
"""Override columns that are whole numbers."""

AMOUNTS: Final = ("floor", "ceiling", "map_price")
"""Override columns that are amounts in the currency's unit."""

MONEY_COLUMNS: Final = (
    "expected_revenue",
    "revenue_low",
    "revenue_high",
    "expected_profit",
    "profit_low",
    "profit_high",
    "previous_profit",
    "profit_change_mean",
    "profit_change_sd",
)


def read_frame(frame: nw.DataFrame[Any], guardrails: Guardrails | GuardrailBatch | None) -> tuple[PricingInputs, Ints]:
    """Turn a frame into exact inputs.

    Args:
        frame: columns as `GPUBatchProcessor.optimize_batch` takes them.
        guardrails: limits for all rows, or one row each, or None for the defaults; override columns win.

    Returns:
        The inputs, and the (row,) int64 decimals of each row's currency.

    Raises:
        FrameError: a column is missing, holds text, or a value outside its domain; the message names column, row
            and cure.
    """
    require_columns(frame, REQUIRED)
    exponent = _exponents(frame)
    inputs = PricingInputs(
        current_ticks=to_ticks(_prices(frame, "price"), exponent),
        cost_units=to_cost_units(_costs(frame), exponent),
        demand=_reals(frame, "demand"),
        elasticity_mean=_reals(frame, "elasticity_mean", lowest=-np.inf),
        elasticity_sd=_reals(frame, "elasticity_sd"),
        log_demand_sd=_reals(frame, "log_demand_sd") if "log_demand_sd" in frame.columns else None,
        inventory=to_units(numbers_or(frame, "inventory", np.nan)),
        competitor_ticks=to_ticks(_optional_prices(frame, "competitor_price"), exponent),
        day_start_ticks=to_ticks(_optional_prices(frame, "day_start_price"), exponent),
        changes_today=to_units(numbers_or(frame, "changes_today", np.nan)),
        guardrails=_guardrails(frame, guardrails, exponent),
    )
    return inputs, exponent


def _exponents(frame: nw.DataFrame[Any]) -> Ints:
    values = numbers_or(frame, "currency_exponent", DEFAULT_EXPONENT)
    check_domain("currency_exponent", values, ~np.isin(values, (0, 1, 2, 3, 4)), "give the currency's decimals, 0 to 4")
    return values.astype(np.int64)


def _prices(frame: nw.DataFrame[Any], name: str) -> Floats:
    values = numbers(frame, name)
    check_domain(name, values, ~(np.isfinite(values) & (values > 0)), "give a price above zero, or leave the row out")
    return values


def _optional_prices(frame: nw.DataFrame[Any], name: str) -> Floats:
    values = numbers_or(frame, name, np.nan)
    check_domain(name, values, np.isinf(values) | (values <= 0), "give a price above zero, or null where there is none")
    return values


def _costs(frame: nw.DataFrame[Any]) -> Floats:
    values = numbers(frame, "unit_cost")
    cure = "give a cost of zero or more (null or zero: the SKU is listed as unpriced)"
    check_domain("unit_cost", values, np.isinf(values) | (values < 0), cure)
    return values


def _reals(frame: nw.DataFrame[Any], name: str, lowest: float = 0.0) -> Floats:
    values = numbers(frame, name)
    domain = "a finite number" if lowest == -np.inf else "a finite number, 0 or more"
    check_domain(name, values, ~(np.isfinite(values) & (values >= lowest)), f"give {domain}, or leave the row out")
    return values


def _guardrails(frame: nw.DataFrame[Any], base: Guardrails | GuardrailBatch | None, exponent: Ints) -> GuardrailBatch:
    """Return the limits of each row: the base, with the override columns where they have a value."""
    limits = base if isinstance(base, GuardrailBatch) else GuardrailBatch.uniform(base or Guardrails(), len(frame))
    overrides: dict[str, Ints] = {}
    for column, field in RATES.items():
        if column in frame.columns:
            overrides[field] = to_basis_points(_rates(frame, column))
    for column in AMOUNTS:
        if column in frame.columns:
            overrides[column] = to_ticks(_optional_prices(frame, column), exponent)
    for column in COUNTS:
        if column in frame.columns:
            overrides[column] = to_units(numbers(frame, column))
    changed: dict[str, Any] = {
        field: np.where(values == MISSING, getattr(limits, field), values) for field, values in overrides.items()
    }
    limits = replace(limits, **changed)
    return _with_endings(frame, limits) if "price_endings" in frame.columns else limits


def _rates(frame: nw.DataFrame[Any], name: str) -> Floats:
    values = numbers(frame, name)
    lowest, below = RATE_DOMAINS.get(name, (-0.9999, 1000.0))
    cure = f"give a fraction from {lowest:g} to under {below:g}, such as 0.15 for 15 %"
    check_domain(name, values, (values < lowest) | (values >= below), cure)
    return values


def _with_endings(frame: nw.DataFrame[Any], limits: GuardrailBatch) -> GuardrailBatch:
    rows = [
        limits.ending_sets[default] if override is None else override
        for override, default in zip(endings(frame, "price_endings"), limits.ending_set.tolist(), strict=True)
    ]
    ending_set, ending_sets = index_endings(rows)
    return replace(limits, ending_set=ending_set, ending_sets=ending_sets)


def write_frame(frame: nw.DataFrame[Any], result: PricingResult, exponent: Ints) -> nw.DataFrame[Any]:
    """Return the decisions as a frame of the same kind, in the same order (and, in pandas, with the same index)."""
    columns: dict[str, Any] = {
        "price": to_amount(result.price_ticks, exponent),
        "previous_price": to_amount(result.previous_ticks, exponent),
        "expected_demand": result.expected_demand,
        "demand_low": result.demand_low,
        "demand_high": result.demand_high,
    }
    columns |= {name: to_amount(getattr(result, name), exponent) for name in MONEY_COLUMNS}
    columns |= {"probability_better": result.probability_better, "expected_share": result.expected_share}
    reals = tuple(columns)
    columns |= {"binding_rule": result.binding_rules().tolist()}
    columns |= {"unpriced_reason": result.unpriced_reasons().tolist()}
    schema = dict.fromkeys(reals, nw.Float64()) | {"binding_rule": nw.String(), "unpriced_reason": nw.String()}
    written = nw.from_dict(columns, schema, backend=frame.implementation)
    if frame.implementation is not nw.Implementation.PANDAS:
        written = written.with_columns(*(_nan_to_null(name) for name in reals))
    # Narwhals takes over the left frame's index, so a pandas index survives.
    return frame.select("sku").with_columns(*written.iter_columns())


def _nan_to_null(name: str) -> nw.Expr:
    return nw.when(~nw.col(name).is_nan()).then(nw.col(name)).alias(name)
