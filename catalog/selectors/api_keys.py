"""API keys as they are cached: what a digest may do, or that nobody has it."""

import json
from collections.abc import Sequence

from catalog.cached_values import CachedValue, Kind, api_key_name
from catalog.models import ApiKey
from catalog.price_cache import refresh_time

# A key is issued once and revoked once; what it may do never changes in between.
UNKNOWN, ISSUED, REVOKED = 0, 1, 2


def api_key_values(*, digests: Sequence[str]) -> dict[bytes, CachedValue]:
    """Return what is to be cached for each of these digests."""
    values = {api_key_name(digest): CachedValue(UNKNOWN, Kind.ABSENT) for digest in digests}
    for key in ApiKey.objects.filter(digest__in=digests):
        values[api_key_name(key.digest)] = _value(key)
    return values


def _value(key: ApiKey) -> CachedValue:
    if key.revoked_at:
        return CachedValue(REVOKED, Kind.ABSENT)
    content = json.dumps({"id": key.pk, "scopes": sorted(key.scopes)}, separators=(",", ":")).encode()
    return CachedValue(ISSUED, Kind.RECORD, content=content, refresh_at=refresh_time(key.digest))
