"""What moves a price and demand only through it, built from the data of a panel."""

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats


def other_regions_price(log_price: Floats, product: Ints, region: Ints, week: Ints) -> Floats:
    """Return the same product's mean log price in the week in all other regions, (row,); NaN where there is none.

    Costs move prices everywhere, one region's demand does not; it is no instrument where all regions are advertised to
    at once.

    Source: Hausman (1996).
    """
    _, pair = np.unique(np.stack([product, week]), axis=1, return_inverse=True)
    _, where = np.unique(np.stack([product, week, region]), axis=1, return_inverse=True)
    everywhere, count = np.bincount(pair, log_price)[pair], np.bincount(pair)[pair]
    here, count_here = np.bincount(where, log_price)[where], np.bincount(where)[where]
    others = count - count_here
    return np.where(others > 0, (everywhere - here) / np.maximum(others, 1), np.nan)


def rivals_characteristic(characteristic: Floats, product: Ints, category: Ints, week: Ints) -> Floats:
    """Return the sum of a characteristic over the other products of the category in the week, (row,).

    How crowded a product's place is moves its price; give characteristics that were settled before prices were, such as
    size or brand, not prices.

    Source: Berry, Levinsohn & Pakes (1995), section 5.
    """
    _, place = np.unique(np.stack([category, week]), axis=1, return_inverse=True)
    _, own = np.unique(np.stack([category, week, product]), axis=1, return_inverse=True)
    return np.asarray(np.bincount(place, characteristic)[place] - np.bincount(own, characteristic)[own])


def cost_shifter(log_cost: Floats, *, lag: int, entity: Ints, week: Ints) -> Floats:
    """Return each product's log cost ``lag`` weeks before, (row,); NaN where it is not known.

    A cost known before the price was set moves it; its own change in the week might have come with demand.
    """
    known = {(e, w): cost for e, w, cost in zip(entity.tolist(), week.tolist(), log_cost.tolist(), strict=True)}
    return np.array([known.get((e, w - lag), np.nan) for e, w in zip(entity.tolist(), week.tolist(), strict=True)])
