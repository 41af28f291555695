"""A made-up shop of any size, written to an empty database by COPY. Import it after Django is set up."""

import numpy as np
from django.db import connection
from django.utils import timezone

from catalog.models import Channel, Listing, Product
from optimizer.models import ElasticityFit

LISTING = (
    "product_id, channel_id, list_price, unit_cost, unit_cost_assumed, unit_cost_at, inventory, inventory_assumed,"
    " inventory_at, price_version, price_source"
)
ESTIMATE = (
    "fit_id, listing_id, reference_price, mean, sd, base_demand, log_demand_sd, weeks, log_price_sd, residual_sd, r2,"
    " shrinkage, informed, note"
)


def make_shop(skus: int, seed: int = 1) -> Channel:
    """Make a channel with products, costs, stock and an elasticity of each; nothing is published yet."""
    rng = np.random.default_rng(seed)
    channel = Channel.objects.create(code="web", name="web", currency="GBP", country="GB")
    now = timezone.now()
    price = np.exp(rng.normal(2, 0.9, skus)).clip(0.5, 500).round(2)
    cost = (price * rng.uniform(0.4, 0.7, skus)).round(4)
    mean, demand = rng.normal(-1.9, 0.5, skus).clip(-5, -0.3), np.exp(rng.normal(3, 1, skus))
    fit = ElasticityFit.objects.create(
        channel=channel,
        fingerprint="f" * 64,
        config={},
        data_from=now.date(),
        data_to=now.date(),
        created_at=now,
        promoted_at=now,
        seconds=0.1,
        device="cpu",
        diagnostics={},
    )
    with connection.cursor() as cursor:
        with cursor.copy("COPY catalog_product (sku, name, is_active, is_kvi) FROM STDIN") as copy:
            for number in range(skus):
                copy.write_row((f"S{number:08}", f"PRODUCT {number}", True, False))
        products = list(Product.objects.order_by("pk").values_list("pk", flat=True))
        with cursor.copy(f"COPY catalog_listing ({LISTING}) FROM STDIN") as copy:
            for row, key in enumerate(products):
                facts = (round(price[row], 2), round(cost[row], 4), False, now, 5_000, False, now)
                copy.write_row((key, channel.pk, *facts, 0, ""))
        listings = list(Listing.objects.order_by("pk").values_list("pk", flat=True))
        with cursor.copy(f"COPY optimizer_elasticityestimate ({ESTIMATE}) FROM STDIN") as copy:
            for row, key in enumerate(listings):
                found = (float(price[row]), float(mean[row]), 0.3, float(demand[row]), 0.1, 20, 0.1, 0.4, 0.3, 0.6)
                copy.write_row((fit.pk, key, *found, True, ""))
        cursor.execute("ANALYZE")
    return channel
