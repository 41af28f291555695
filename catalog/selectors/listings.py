from django.db.models import QuerySet

from catalog.models import Listing, PriceChange


def active_listings(*, channel: str) -> QuerySet[Listing]:
    """Listings of a channel with their product, category and channel, for pages in primary-key order."""
    return Listing.objects.filter(channel__code=channel, product__is_active=True).select_related(
        "product__category", "channel"
    )


def listing_of(*, channel: str, sku: str) -> Listing | None:
    return active_listings(channel=channel).filter(product__sku=sku).first()


def price_history(*, listing: Listing) -> QuerySet[PriceChange]:
    """Every published price of a listing; newest first by its version."""
    return PriceChange.objects.filter(listing=listing).select_related("listing__channel", "author", "approved_by")


def price_change_in_force(*, listing: Listing) -> PriceChange | None:
    return price_history(listing=listing).filter(version=listing.price_version).first()
