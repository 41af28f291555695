"""Products of a category that take sales from each other: elasticities learned from data, and joint prices."""

from .categories import Categories
from .config import CrossPriceConfig
from .fit import CrossPriceFit, fit_cross_prices
from .joint_prices import JointPrices, joint_prices
from .panel import CategoryPanel
from .supported import SupportedPairs, supported_pairs

__all__ = [
    "Categories",
    "CategoryPanel",
    "CrossPriceConfig",
    "CrossPriceFit",
    "JointPrices",
    "SupportedPairs",
    "fit_cross_prices",
    "joint_prices",
    "supported_pairs",
]
