"""Rows for tests, with sensible defaults; every function saves and returns what it made."""

from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from catalog.gate import Proposal, PublishReport, publish_prices
from catalog.models import ApiKey, Channel, Listing, Product
from catalog.models.access import Scope
from catalog.models.listing import PriceSource

_numbers = count(10_000)


def make_channel(code: str = "web", **fields: Any) -> Channel:
    defaults = {"name": code, "currency": "GBP", "country": "GB"}
    return Channel.objects.get_or_create(code=code, defaults=defaults | fields)[0]


def make_listing(sku: str | None = None, *, channel: Channel | None = None, **fields: Any) -> Listing:
    """A listing at a list price of 10.00 that cost 6.00, with 500 in stock; nothing published yet."""
    product_fields = {name: fields.pop(name) for name in ("name", "category", "is_active") if name in fields}
    sku = sku or f"{next(_numbers)}A"
    product = Product.objects.create(sku=sku, **{"name": f"PRODUCT {sku}"} | product_fields)
    defaults = {"list_price": Decimal("10.00"), "unit_cost": Decimal("6.00"), "inventory": 500}
    now = timezone.now()
    return Listing.objects.create(
        product=product,
        channel=channel or make_channel(),
        unit_cost_at=now,
        inventory_at=now,
        **defaults | fields,
    )


def publish(
    listing: Listing, price: str, *, source: PriceSource = PriceSource.OPTIMIZER, now: Any = None, **fields: Any
) -> PublishReport:
    """Send one price through the gate and reload the listing."""
    key = fields.pop("idempotency_key", f"test-{next(_numbers)}")
    proposal_fields = {
        name: fields.pop(name) for name in ("expected_version", "binding_rule", "explanation") if name in fields
    }
    if source.is_automatic:
        proposal_fields.setdefault("expected_version", listing.price_version)
    report = publish_prices(
        channel=listing.channel,
        proposals=[Proposal(listing.pk, Decimal(price), key, **proposal_fields)],
        source=source,
        now=now or timezone.now(),
        **fields,
    )
    listing.refresh_from_db()
    return report


def make_api_key(*scopes: str) -> str:
    """Return the text of a new key with the given scopes, or with all."""
    return ApiKey.issue(name="test", scopes=list(scopes or Scope.values))[1]


def make_api_client() -> APIClient:
    """A client that calls the API with a key of its own, which may do everything."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key()}")
    return client
