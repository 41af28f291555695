"""A small shop with a history of sales by day, and experiments on it at each stage of their life."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
from django.utils import timezone

from catalog.gateway import served_prices
from catalog.models import Category, DailySales, Listing
from experiments.models import ExperimentUnit, PriceExperiment
from experiments.services.draft_experiment import draft_experiment
from experiments.services.start_experiment import start_experiment, submit_experiment
from experiments.services.stop_experiment import stop_experiment
from tests.factories import make_channel, make_listing

ARMS = ({"name": "control", "share": 5_000}, {"name": "dearer", "share": 5_000, "price_change": Decimal("0.05")})
DAYS = 84


def make_shop(*, categories=4, products=6, seed=1) -> list[Listing]:
    """Listings at 10.00 in categories, that sold for twelve weeks until yesterday: some much, some little."""
    rng = np.random.default_rng(seed)
    channel = make_channel()
    listings = []
    for number in range(categories):
        category = Category.objects.create(code=f"c{number}", name=f"Category {number}")
        listings += [
            make_listing(f"C{number}-{each:02}", channel=channel, category=category) for each in range(products)
        ]
    today = timezone.localdate()
    levels = rng.lognormal(2, 0.7, size=len(listings))
    sold = rng.poisson(levels[:, None], size=(len(listings), DAYS))
    DailySales.objects.bulk_create(
        DailySales(listing=listing, day=today - timedelta(days=DAYS - day), units=units, revenue=10 * units)
        for listing, row in zip(listings, sold.tolist(), strict=True)
        for day, units in enumerate(row)
        if units
    )
    return listings


def make_draft(code="spring", *, arms=ARMS, guardrails=(), by="ann", **fields) -> PriceExperiment:
    defaults = {
        "name": "Five per cent dearer",
        "hypothesis": "Shoppers do not mind.",
        "channel": make_channel(),
        "horizon_days": 28,
        "minimum_effect": Decimal("0.05"),
        "salt": "a fixed salt",
    }
    return draft_experiment(
        fields={"code": code} | defaults | fields,
        layer="prices",
        arms=arms,
        guardrails=guardrails,
        by=by,
        now=timezone.now(),
    )


def now():
    return timezone.now()


def submitted(**fields):
    draft = make_draft(**fields)
    return submit_experiment(experiment=draft.pk, by="ann", now=now())


def running(**fields):
    return start_experiment(experiment=submitted(**fields).pk, by="bob", now=now())


def stopped(**fields):
    return stop_experiment(experiment=running(**fields).pk, by="bob", reason="Enough seen", now=now())


def units_of(experiment, arm):
    return list(
        ExperimentUnit.objects.filter(experiment=experiment, arm__name=arm).values_list("listing_id", flat=True)
    )


def served(sku):
    return served_prices(channel="web", skus=[sku])[sku]
