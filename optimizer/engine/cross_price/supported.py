"""The pairs of a category that its sales support."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .fit import CrossPriceFit

LEAST_PROBABILITY: Final = 0.8
"""Of pairs above it 11 % were none, in simulated categories of 20 products over 80 weeks; 29 % above 0.5."""

MOST_OTHERS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedPairs:
    """Hold pairs of products, (pair,) each.

    Args:
        demand_of, price_of: int64, places in the category.
        mean, sd: float64, posterior of the elasticity of the one's demand in the other's price.
        probability: float64, that the pair has an effect at all.
    """

    demand_of: Ints
    price_of: Ints
    mean: Floats
    sd: Floats
    probability: Floats


def supported_pairs(
    fit: CrossPriceFit, *, least_probability: float = LEAST_PROBABILITY, most_others: int = MOST_OTHERS
) -> SupportedPairs:
    """Return the pairs that likely have an effect, of each product's demand the ``most_others`` strongest."""
    believed = np.where(fit.substitutes >= least_probability, np.abs(fit.elasticity), 0.0)
    np.fill_diagonal(believed, 0.0)
    strongest = np.argsort(-believed, axis=1, kind="stable")[:, :most_others]
    demand_of, place = np.nonzero(np.take_along_axis(believed, strongest, axis=1))
    price_of = strongest[demand_of, place]
    return SupportedPairs(
        demand_of=demand_of,
        price_of=price_of,
        mean=fit.elasticity[demand_of, price_of],
        sd=fit.sd[demand_of, price_of],
        probability=fit.substitutes[demand_of, price_of],
    )
