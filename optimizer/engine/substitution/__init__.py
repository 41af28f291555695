"""Products of a category that take sales from each other: logit demand, and their joint best prices."""

from .demand import NestedLogit
from .pricing import SubstitutePrices, price_substitutes

__all__ = ["NestedLogit", "SubstitutePrices", "price_substitutes"]
