"""Store what decides how prices are judged. All served records say it, so all are forgotten with the commit."""

from collections.abc import Collection

from django.db import transaction

from catalog.models import Channel, PriceLawRule
from catalog.price_cache import raise_epoch


def store_price_law(*, rule: PriceLawRule) -> None:
    """Save a country's rule and have every price judged by it, in one transaction."""
    with transaction.atomic():
        rule.save()
        raise_epoch()


def remove_price_law(*, rule: PriceLawRule) -> None:
    """Delete a country's rule: from the commit on nothing is judged there."""
    with transaction.atomic():
        rule.delete()
        raise_epoch()


def store_channel(*, channel: Channel, changed: Collection[str]) -> None:
    """Save a channel; another country means another rule."""
    with transaction.atomic():
        channel.save()
        if "country" in changed:
            raise_epoch()
