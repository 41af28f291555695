"""Prices of many SKUs chosen together, under limits that tie them, with a certificate.

`price_portfolio` takes what `optimize_ticks` takes, and goals; `optimize_portfolio` any options with values and usages.
"""

from .cross_effects import CrossEffects, CrossPairs
from .goals import ChangeBudget, Goal, MarginRate, PriceIndex, RevenueFloor, ShadowPrice
from .ladder import PriceLadder
from .portfolio import Chain, Coupling, Portfolio
from .pricing import GoalsUnmet, PortfolioPrices, price_portfolio
from .solve import CannotMeet, PortfolioResult, Unmet, optimize_portfolio

__all__ = [
    "CannotMeet",
    "Chain",
    "ChangeBudget",
    "Coupling",
    "CrossEffects",
    "CrossPairs",
    "Goal",
    "GoalsUnmet",
    "MarginRate",
    "Portfolio",
    "PortfolioPrices",
    "PortfolioResult",
    "PriceIndex",
    "PriceLadder",
    "RevenueFloor",
    "ShadowPrice",
    "Unmet",
    "optimize_portfolio",
    "price_portfolio",
]
