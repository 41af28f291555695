"""Products of a category that take sales from each other: elasticities learned from data, and joint prices."""

from .config import CrossPriceConfig
from .fit import CrossPriceFit, fit_cross_prices
from .joint_prices import JointPrices, joint_prices
from .panel import CategoryPanel

__all__ = ["CategoryPanel", "CrossPriceConfig", "CrossPriceFit", "JointPrices", "fit_cross_prices", "joint_prices"]
