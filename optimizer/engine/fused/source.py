"""The kernel's text, with the names and numbers that it shares with Python in front of it."""

from pathlib import Path
from typing import Final

from catalog.guardrails import BASIS, COST_UNITS_PER_TICK, MISSING, UNBOUNDED, Rule
from optimizer.engine.demand import MAX_EXPONENT, NEGLIGIBLE_Z
from optimizer.engine.exhaustive import WIDE_BAND
from optimizer.engine.objectives import TIE
from optimizer.engine.pricing_arrays import (
    MISSING_COST,
    MISSING_PRICE,
    NO_DEMAND,
    NO_UPPER_LIMIT,
    WHOLE_COLUMNS,
    PricingInputs,
)
from optimizer.engine.stationary import MAX_ITERATIONS

LIMIT_COLUMNS: Final = (
    "min_margin_bp",
    "max_change_bp",
    "inventory_threshold",
    "floor",
    "ceiling",
    "map_price",
    "competitor_min_bp",
    "competitor_max_bp",
    "max_change_per_day_bp",
    "max_changes_per_day",
)
REAL_COLUMNS: Final = ("demand", "elasticity_mean", "elasticity_sd", "log_demand_sd")
NAMES_IN_C: Final = {"floor": "floor_ticks", "demand": "demand_units"}
"""Columns whose own names mean something else there."""

OBJECTIVES: Final = {"profit": 0, "revenue": 1, "market_share": 2}
TICKS_OUT: Final = ("price_ticks", "candidate_ticks", "lower_ticks", "upper_ticks")
CODES_OUT: Final = ("rule", "lower_rule", "upper_rule", "unpriced", "is_left")


def kernel_source() -> str:
    """Return the text to compile: C++ for NVRTC, or for any other compiler."""
    whole = _enumeration("WHOLE_COUNT", (*WHOLE_COLUMNS, *LIMIT_COLUMNS))
    real = _enumeration("REAL_COUNT", REAL_COLUMNS)
    defined = "\n".join(f"#define {name} {value}" for name, value in _constants().items())
    return "\n".join([defined, whole, real, (Path(__file__).parent / "best_price.cu").read_text()])


def whole_columns(inputs: PricingInputs) -> list[object]:
    """Return the int64 columns in the order in which the kernel knows them."""
    limits = inputs.guardrails
    return [getattr(inputs, name) for name in WHOLE_COLUMNS] + [getattr(limits, name) for name in LIMIT_COLUMNS]


def real_columns(inputs: PricingInputs) -> list[object]:
    """Return the float64 columns in the order in which the kernel knows them."""
    return [getattr(inputs, name) for name in REAL_COLUMNS]


def _enumeration(count: str, names: tuple[str, ...]) -> str:
    return f"enum {{ {', '.join(NAMES_IN_C.get(name, name) for name in names)}, {count} }};"


def _constants() -> dict[str, str]:
    return {
        "MISSING": f"({MISSING + 1}LL - 1)",
        "UNBOUNDED": f"{UNBOUNDED}LL",
        "BASIS": f"{BASIS}LL",
        "COST_UNITS_PER_TICK": f"{COST_UNITS_PER_TICK}LL",
        "MAX_EXPONENT": repr(MAX_EXPONENT),
        "NEGLIGIBLE_Z": repr(NEGLIGIBLE_Z),
        "TIE": repr(TIE),
        "MAX_ITERATIONS": str(MAX_ITERATIONS),
        "WIDE_BAND": str(WIDE_BAND),
        "MISSING_COST": str(MISSING_COST),
        "MISSING_PRICE": str(MISSING_PRICE),
        "NO_DEMAND": str(NO_DEMAND),
        "NO_UPPER_LIMIT": str(NO_UPPER_LIMIT),
        **{f"RULE_{rule.name}": str(rule.value) for rule in Rule},
        **{f"OBJECTIVE_{name.upper()}": str(code) for name, code in OBJECTIVES.items()},
    }
