"""Fits and estimates for tests of the optimiser."""

import hashlib
from datetime import date
from typing import Any

from django.utils import timezone

from catalog.models import Channel, Listing
from optimizer.models import ElasticityEstimate, ElasticityFit


def make_fit(channel: Channel, listings: list[Listing], **fields: Any) -> ElasticityFit:
    """A fit with an estimate for each listing: elasticity -2.0 ± 0.3, 40 units a week at the list price."""
    fit = ElasticityFit.objects.create(
        channel=channel,
        fingerprint=hashlib.sha256(str(ElasticityFit.objects.count()).encode()).hexdigest(),
        config={"elasticity_mean": -1.5, "elasticity_sd": 0.5},
        data_from=date(2010, 12, 6),
        data_to=date(2011, 6, 20),
        created_at=timezone.now(),
        promoted_at=timezone.now(),
        seconds=0.1,
        device="cpu",
        diagnostics={},
    )
    estimate = {
        "mean": -2.0, "sd": 0.3, "base_demand": 40.0, "log_demand_sd": 0.1, "weeks": 20, "log_price_sd": 0.1,
        "residual_sd": 0.4, "r2": 0.3, "shrinkage": 0.6, "informed": True,
    }  # fmt: skip
    ElasticityEstimate.objects.bulk_create(
        ElasticityEstimate(fit=fit, listing=listing, reference_price=float(listing.list_price), **estimate | fields)
        for listing in listings
    )
    return fit
