"""Which prices of an experiment that runs have fallen below what their listing costs by now."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from catalog.gate import checked_prices
from catalog.guardrails import Rule
from catalog.models import Channel, ServedArm
from catalog.models.listing import PriceSource


def arms_below_cost(*, channel: Channel, experiment: str, now: datetime) -> dict[str, list[str]]:
    """Return the SKUs that an experiment serves below their unit cost of today, by arm.

    The gate checked every arm when it started; costs have moved since. What is not served through its arm, as a
    person's price or a kill switch holds it, is left out.
    """
    running = ServedArm.objects.filter(
        served_experiment__listing__channel=channel,
        served_experiment__experiment=experiment,
        served_experiment__ended_at=None,
    )
    prices: dict[str, dict[int, Decimal]] = defaultdict(dict)
    skus: dict[int, str] = {}
    for arm, listing, sku, price in running.order_by("served_experiment__listing_id").values_list(
        "arm", "served_experiment__listing_id", "served_experiment__listing__product__sku", "price"
    ):
        prices[arm][listing], skus[listing] = price, sku
    found: dict[str, list[str]] = {}
    for arm, of_listing in sorted(prices.items()):
        checked = checked_prices(
            channel=channel, prices=of_listing, source=PriceSource.EXPERIMENT, now=now, is_approved=True
        )
        below = [skus[pk] for pk, reason in checked.refused.items() if reason == Rule.LOSS_FLOOR.label]
        if below:
            found[arm] = below
    return found
