"""A shop with daily sales, forecasters and stored forecasts, for tests."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.utils import timezone

from catalog.models import Category, Channel, DailySales, Listing, Product, WeeklySales
from optimizer.models import DemandForecast, DemandForecaster, TrainingJob
from tests.factories import make_channel

MONDAY = date(2026, 1, 5)
LEVELS = [0.1, 0.5, 0.9]


def a_daily_shop(*, skus: int = 40, weeks: int = 26) -> Channel:
    """Make products of four categories that sell from Monday to Friday, and what they sold by day and week."""
    channel, rng = make_channel(), np.random.default_rng(11)
    categories = [Category.objects.create(code=f"c{n}", name=f"c{n}") for n in range(4)]
    products = [Product(sku=f"S{n:03}", name=f"S{n}", category=categories[n % 4]) for n in range(skus)]
    Product.objects.bulk_create(products)
    Listing.objects.bulk_create(
        Listing(product=product, channel=channel, list_price=Decimal(10), unit_cost=Decimal(6)) for product in products
    )
    level = rng.lognormal(1.5, 0.8, skus)
    by_weekday = np.array([1.6, 1.2, 1.0, 0.8, 0.5, 0.0, 0.0])
    units = rng.poisson(level[:, None, None] * by_weekday, (skus, weeks, 7)) if weeks else None
    assert units is not None
    listings = list(Listing.objects.order_by("pk"))
    DailySales.objects.bulk_create(
        DailySales(
            listing=listings[n], day=MONDAY + timedelta(days=int(7 * w + d)), units=int(sold), revenue=10 * int(sold)
        )
        for (n, w, d), sold in np.ndenumerate(units)
        if sold
    )
    WeeklySales.objects.bulk_create(
        WeeklySales(
            listing=listings[n],
            week=MONDAY + timedelta(weeks=int(w)),
            units=int(sold),
            revenue=10 * int(sold),
            price=Decimal(10),
            orders=1,
        )
        for (n, w), sold in np.ndenumerate(units.sum(axis=2))
        if sold
    )
    return channel


def make_forecaster(channel: Channel, **fields: Any) -> DemandForecaster:
    """A live forecaster by day that transformer serves, without weights."""
    step = fields.get("step", "day")
    job = TrainingJob.objects.create(
        channel=channel,
        kind=TrainingJob.Kind.FORECAST,
        asked={"step": step, "network": "transformer", "minutes": 1.0, "seed": 0},
        created_at=timezone.now(),
    )
    given = {
        "step": step, "status": "live", "promoted_at": timezone.now(), "config": {"network": "transformer"},
        "artefact": b"", "levels": LEVELS, "seed": 0, "data_from": date(2026, 1, 5), "data_to": date(2026, 7, 5),
        "held_out_from": date(2026, 6, 8), "trained_at": timezone.now(), "seconds": 3.0, "device": "cpu",
        "verdict": {"passes": True, "against": None, "words": "its loss of 0.400 is 8 % below that of seasonal naive"},
        "scores": {
            "rows": [
                {"segment": "all", "method": name, "wql": wql, "coverage": 0.8, "width": 6.0, "demand": 900.0}
                for name, wql in (("served", 0.4), ("transformer", 0.41), ("seasonal_naive", 0.435))
            ],
            "serves": {"smooth": "transformer", "cold start": "seasonal_naive"},
        },
    }  # fmt: skip
    return DemandForecaster.objects.create(channel=channel, job=job, **given | fields)


def make_forecast(listing: Listing, forecaster: DemandForecaster, *, steps: int = 28, **fields: Any) -> DemandForecast:
    """A forecast of 2, 4 and 9 units a step, 5 in the mean, at 10.00, elasticity -2."""
    given = {
        "step": forecaster.step, "made_at": timezone.now(), "from_day": date(2026, 7, 6), "prices": [10.0] * steps,
        "elasticity": -2.0, "method": "transformer", "cold_start": False, "quantiles": [[2.0, 4.0, 9.0]] * steps,
        "interval80": [[2.0, 9.0]] * steps, "expected": [5.0] * steps,
    }  # fmt: skip
    return DemandForecast.objects.create(listing=listing, forecaster=forecaster, **given | fields)
