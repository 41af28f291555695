"""Revoke API keys, in every process at once."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from catalog import price_cache
from catalog.cached_values import api_key_name
from catalog.models import ApiKey
from catalog.selectors.api_keys import REVOKED, api_key_values
from catalog.services.served_records import tell_redis


@transaction.atomic
def revoke_api_keys(*, keys: Sequence[ApiKey], now: datetime) -> None:
    """Revoke keys for good: from the commit on no process lets them in."""
    digests = [key.digest for key in keys]
    for key in keys:
        key.revoke(now)
    tell_redis(
        {api_key_name(digest): REVOKED for digest in digests},
        store=lambda: price_cache.store_values(api_key_values(digests=digests), epoch=price_cache.epoch()),
    )
