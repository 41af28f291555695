"""What the demo shop is before its data come: a channel and the guardrails for everything."""

from decimal import Decimal
from pathlib import Path

from django.conf import settings

from catalog.models import Channel, GuardrailPolicy

TRANSACTIONS = Path(settings.BASE_DIR) / "data" / "online_retail" / "online_retail.parquet"


def demo_channel() -> Channel:
    """Return the demo's channel; create it, and the policy for everything, if they are not there."""
    channel, _ = Channel.objects.get_or_create(
        code=settings.DEFAULT_CHANNEL, defaults={"name": "Web shop", "currency": "GBP", "country": "GB"}
    )
    GuardrailPolicy.objects.get_or_create(
        category=None,
        product=None,
        channel=None,
        defaults={
            "min_margin": Decimal("0.15"),
            "max_change": Decimal("0.20"),
            "inventory_threshold": 50,
            "price_endings": ["5", "9"],
            "note": "The defaults of this project; the shop's own prices end with 5 or 9.",
        },
    )
    return channel
