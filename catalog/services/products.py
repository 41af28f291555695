"""Store what a person changed about a product."""

from collections import defaultdict
from collections.abc import Collection

from django.db import transaction

from catalog.models import Listing, Product
from catalog.services.served_records import serve_anew


@transaction.atomic
def store_product(*, product: Product, changed: Collection[str]) -> None:
    """Store a product; where it is sold from now on, or no longer, every channel serves that from the commit on."""
    product.save()
    if "is_active" not in changed:
        return
    by_channel: dict[str, list[int]] = defaultdict(list)
    for pk, channel in Listing.objects.filter(product=product).values_list("pk", "channel__code"):
        by_channel[channel].append(pk)
    for channel, listing_ids in by_channel.items():
        serve_anew(channel=channel, listing_ids=listing_ids)
