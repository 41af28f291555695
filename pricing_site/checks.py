"""Refuse a configuration that cannot work, and name the cure."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from catalog.quotes import QuoteKeys

REQUIRED_URLS = {
    "DATABASE_URL": ("postgres://user:password@host:5432/pricing", {"postgres", "postgresql", "pgsql"}),
    "REDIS_URL": ("redis://host:6379/0", {"redis", "rediss", "unix"}),
    "CELERY_BROKER_URL": ("redis://host:6380/0", {"redis", "rediss"}),
}
# A longer one is a mistake: most likely milliseconds.
LONGEST_QUOTE_SECONDS = 30 * 24 * 60 * 60


@register()
def check_required_urls(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, (example, schemes) in REQUIRED_URLS.items():
        value = getattr(settings, name)
        hint = f"Set {name}, for example {name}={example}, or start through `make run`, which sets all of them."
        if not value:
            found.append(Error(f"{name} is not set.", hint=hint, id="pricing.E001"))
        elif urlsplit(value).scheme not in schemes:
            found.append(Error(f"{name} has the scheme {urlsplit(value).scheme!r}.", hint=hint, id="pricing.E002"))
    return found


@register()
def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    try:
        settings.SECRET_KEY  # noqa: B018  (Django raises on an empty one)
    except ImproperlyConfigured:
        cure = "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
        return [
            Error("SECRET_KEY is not set.", hint=f"Set SECRET_KEY to a long random text: {cure}", id="pricing.E006")
        ]
    return []


@register()
def check_allowed_hosts(**kwargs: Any) -> list[CheckMessage]:
    if settings.DEBUG or settings.ALLOWED_HOSTS:
        return []
    return [
        Error(
            "ALLOWED_HOSTS is empty while DEBUG is off: every request would be refused.",
            hint="Set ALLOWED_HOSTS to the names that the site is reached by: ALLOWED_HOSTS=prices.example.com.",
            id="pricing.E007",
        )
    ]


@register()
def check_broker_is_not_the_cache(**kwargs: Any) -> list[CheckMessage]:
    """A cache may evict; a queue must not."""
    if settings.REDIS_URL and settings.REDIS_URL == settings.CELERY_BROKER_URL:
        return [
            Error(
                "REDIS_URL and CELERY_BROKER_URL are the same: the cache's eviction would drop queued tasks.",
                hint="Run a second Redis instance with maxmemory-policy noeviction for CELERY_BROKER_URL.",
                id="pricing.E003",
            )
        ]
    return []


@register()
def check_cache_ttl(**kwargs: Any) -> list[CheckMessage]:
    if settings.PRICE_CACHE_TTL_SECONDS <= 0:
        return [
            Error(
                f"PRICE_CACHE_TTL_SECONDS is {settings.PRICE_CACHE_TTL_SECONDS}.",
                hint="Set it to a positive number of seconds, for example 300.",
                id="pricing.E004",
            )
        ]
    return []


@register()
def check_pricing_device(**kwargs: Any) -> list[CheckMessage]:
    device = settings.PRICING_DEVICE
    if device in {"auto", "cpu", "cuda", "mps"} or (device.startswith("cuda:") and device[5:].isdigit()):
        return []
    return [
        Error(
            f"PRICING_DEVICE is {device!r}.",
            hint="Set it to auto, cpu, cuda, cuda:N or mps.",
            id="pricing.E005",
        )
    ]


@register()
def check_quote_keys(**kwargs: Any) -> list[CheckMessage]:
    if not settings.QUOTE_SIGNING_KEYS:
        return []  # they follow from SECRET_KEY
    try:
        QuoteKeys(tuple(settings.QUOTE_SIGNING_KEYS))
    except ValueError as error:
        cure = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        return [
            Error(
                f"QUOTE_SIGNING_KEYS: {error}",
                hint=f"Separate secrets by commas alone, the one that signs first. A new one: {cure}",
                id="pricing.E008",
            )
        ]
    return []


@register()
def check_quote_lifetimes(**kwargs: Any) -> list[CheckMessage]:
    page, cart = settings.QUOTE_PAGE_SECONDS, settings.QUOTE_CART_SECONDS
    if 0 < page <= cart <= LONGEST_QUOTE_SECONDS:
        return []
    return [
        Error(
            f"QUOTE_PAGE_SECONDS is {page} and QUOTE_CART_SECONDS {cart}.",
            hint="A page's price holds for some time, a cart's at least as long, and both for 30 days at most: "
            "QUOTE_PAGE_SECONDS=1800 QUOTE_CART_SECONDS=172800.",
            id="pricing.E009",
        )
    ]


@register()
def check_features_refresh(**kwargs: Any) -> list[CheckMessage]:
    if settings.FEATURES_REFRESH_SECONDS <= 0:
        return [
            Error(
                f"FEATURES_REFRESH_SECONDS is {settings.FEATURES_REFRESH_SECONDS}.",
                hint="Set it to a positive number of seconds, for example 300.",
                id="pricing.E010",
            )
        ]
    return []


@register()
def check_cache_grace(**kwargs: Any) -> list[CheckMessage]:
    if settings.PRICE_CACHE_GRACE_SECONDS >= settings.PRICE_CACHE_TTL_SECONDS:
        return []
    return [
        Error(
            f"PRICE_CACHE_GRACE_SECONDS is {settings.PRICE_CACHE_GRACE_SECONDS}, less than PRICE_CACHE_TTL_SECONDS.",
            hint="Set it to how long prices are served while Postgres is away: PRICE_CACHE_GRACE_SECONDS=86400.",
            id="pricing.E011",
        )
    ]
