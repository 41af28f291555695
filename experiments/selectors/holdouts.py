"""Who is held out."""

from collections.abc import Sequence

from experiments.models import HoldoutListing


def held_out_listings(listing_ids: Sequence[int]) -> set[int]:
    """Return those of some listings that are held out now; the gate asks for every automatic price."""
    held = HoldoutListing.objects.filter(listing__any_of=listing_ids, until=None)
    return set(held.values_list("listing_id", flat=True))
