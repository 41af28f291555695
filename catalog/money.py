"""The one place where amounts turn into minor units and back.

Prices are whole minor units ("ticks": pence, cents); unit costs are hundredths of one, as `catalog.guardrails` takes
them.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

COST_UNITS_PER_TICK = 100


def to_ticks(amount: Decimal, exponent: int) -> int:
    """Round an amount to the currency's minor unit, half to even."""
    return int(amount.scaleb(exponent).to_integral_value(ROUND_HALF_EVEN))


def from_ticks(ticks: int, exponent: int) -> Decimal:
    return Decimal(int(ticks)).scaleb(-exponent)


def ticks_text(ticks: int, exponent: int) -> str:
    """Return minor units as the decimal string that the API shows."""
    if not exponent:
        return str(ticks)
    whole, rest = divmod(abs(ticks), 10**exponent)
    return f"{'-' if ticks < 0 else ''}{whole}.{rest:0{exponent}}"


def to_cost_units(cost: Decimal, exponent: int) -> int:
    """Round a cost up, so that no price below it passes for one above."""
    return int((cost.scaleb(exponent) * COST_UNITS_PER_TICK).to_integral_value(ROUND_CEILING))


def to_ticks_above(amount: Decimal, exponent: int) -> int:
    """Return the lowest whole minor unit that is not below the amount: for floors."""
    return int(amount.scaleb(exponent).to_integral_value(ROUND_CEILING))


def to_ticks_below(amount: Decimal, exponent: int) -> int:
    """Return the highest whole minor unit that is not above the amount, at least one: for ceilings."""
    return max(1, int(amount.scaleb(exponent).to_integral_value(ROUND_FLOOR)))


def to_basis_points(rate: Decimal) -> int:
    return int((rate * 10_000).to_integral_value(ROUND_HALF_EVEN))


def amount_text(amount: Decimal, exponent: int) -> str:
    """Return the decimal string that the API shows: exactly the currency's decimals."""
    return f"{amount:.{exponent}f}"
