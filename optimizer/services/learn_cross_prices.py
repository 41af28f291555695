"""Learn which products of a channel take sales from each other. Only workers and commands load this file."""

from dataclasses import dataclass
from typing import Any, Final

from catalog.models import Channel, Listing
from optimizer.engine.cross_price import Categories, fit_cross_prices, supported_pairs
from optimizer.models import CrossElasticity, TrainingJob
from optimizer.services.channel_sales import channel_sales

INSERT_BATCH: Final = 2_000
TOLD: Final = 10


@dataclass(frozen=True, kw_only=True)
class LearnedPairs:
    """Hold the pairs that the sales support, not yet stored, and what was tried; A in B and B in A are two pairs."""

    pairs: list[CrossElasticity]
    categories: int
    too_large: int
    too_small: int
    pairs_tried: int

    def report(self) -> dict[str, Any]:
        """Return what the job keeps of it, JSON-able; the strongest pairs as SKU, SKU, mean and sd."""
        strongest = sorted(self.pairs, key=lambda pair: -abs(pair.mean))[:TOLD]
        keys = {key for pair in strongest for key in (pair.listing_id, pair.other_id)}
        sku = dict(Listing.objects.filter(pk__in=keys).values_list("pk", "product__sku"))
        return {
            "categories": self.categories,
            "too_large": self.too_large,
            "too_small": self.too_small,
            "pairs_tried": self.pairs_tried,
            "pairs_kept": len(self.pairs),
            "strongest": [[sku[pair.listing_id], sku[pair.other_id], pair.mean, pair.sd] for pair in strongest],
        }


def learn_cross_prices(*, channel: Channel) -> LearnedPairs:
    """Learn from the channel's weekly sales, category by category; products without a category are one together.

    Raises:
        NothingToLearnFrom: it has no sales.
    """
    sales = channel_sales(channel=channel)
    categories = Categories.of(sales.panel, sales.category)
    pairs: list[CrossElasticity] = []
    for skus, panel in categories.panels():
        found = supported_pairs(fit_cross_prices(panel))
        columns = (skus[found.demand_of], skus[found.price_of], found.mean, found.sd, found.probability)
        pairs += [
            CrossElasticity(
                listing_id=sales.listing_ids[demand],
                other_id=sales.listing_ids[price],
                mean=mean,
                sd=sd,
                probability=probability,
            )
            for demand, price, mean, sd, probability in zip(*(column.tolist() for column in columns), strict=True)
        ]
    sizes = [len(members) for members in categories.members]
    return LearnedPairs(
        pairs=pairs,
        categories=len(sizes),
        too_large=categories.too_large,
        too_small=categories.too_small,
        pairs_tried=sum(size * (size - 1) for size in sizes),
    )


def store_pairs(*, job: TrainingJob, pairs: list[CrossElasticity]) -> None:
    """Store a job's pairs; call it in the transaction that ends the job."""
    for pair in pairs:
        pair.job = job
    CrossElasticity.objects.bulk_create(pairs, batch_size=INSERT_BATCH)
