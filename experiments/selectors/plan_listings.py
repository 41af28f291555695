"""The listings that an experiment could be about."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.models import Listing
from catalog.reading import read_rows
from experiments.models import PriceExperiment
from experiments.stats.designs.hashing import buckets

COLUMNS = {
    "sku": "product__sku",
    "category": "product__category_id",
    "category_code": "product__category__code",
}
NO_CATEGORY = "none"


class PlanListing(NamedTuple):
    """What planning reads of a listing."""

    pk: int
    sku: str
    category: int | None
    category_code: str | None
    list_price: Decimal
    price: Decimal | None
    price_version: int

    @property
    def price_in_force(self) -> Decimal:
        return self.list_price if self.price is None else self.price


@dataclass(frozen=True)
class PlanListings:
    """Listings in the order of their keys; ``outside``: how many are in buckets that the experiment does not take."""

    rows: Sequence[PlanListing]
    outside: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> list[int]:
        return [row.pk for row in self.rows]

    @property
    def skus(self) -> list[str]:
        return [row.sku for row in self.rows]

    @property
    def categories(self) -> NDArray[np.int64]:
        """(listing,) key of the category, -1 without one."""
        return np.array([-1 if row.category is None else row.category for row in self.rows], dtype=np.int64)

    @property
    def category_codes(self) -> list[str]:
        return [row.category_code or NO_CATEGORY for row in self.rows]

    def of(self, chosen: NDArray[np.bool_]) -> "PlanListings":
        """Return some of them, in the same order."""
        return PlanListings([row for row, kept in zip(self.rows, chosen.tolist(), strict=True) if kept], self.outside)


def plan_listings(experiment: PriceExperiment) -> PlanListings:
    """Return the active listings of an experiment's channel, category and buckets.

    What a design draws as one lies in one bucket: a category, else a listing.
    """
    found = Listing.objects.filter(channel_id=experiment.channel_id, product__is_active=True).order_by("pk")
    if experiment.category_id is not None:
        found = found.filter(product__category_id=experiment.category_id)
    everything = PlanListings(read_rows(found, PlanListing, COLUMNS), 0)
    by_category = experiment.design == PriceExperiment.Design.CATEGORY
    names = everything.category_codes if by_category else everything.skus
    bucket = buckets(experiment.layer.salt, names)
    inside = (bucket >= experiment.first_bucket) & (bucket < experiment.first_bucket + experiment.buckets)
    return PlanListings(everything.of(inside).rows, int((~inside).sum()))
