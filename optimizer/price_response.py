"""How demand answers to price at a constant elasticity: the one formula of forecasts, wherever they are read."""


def price_factor(price: float, reference: float, elasticity: float) -> float:
    """Return what demand at ``reference`` is times at ``price``: (price / reference) ^ elasticity, elasticity ≤ 0.

    Raises:
        ValueError: a price is not positive, or the elasticity is positive.
    """
    if not (price > 0 and reference > 0):
        raise ValueError(f"price: got {price} against {reference}; give positive prices")
    if elasticity > 0:
        raise ValueError(f"elasticity: got {elasticity}; demand must not rise with price")
    return float((price / reference) ** elasticity)
