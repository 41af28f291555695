"""Learn the elasticities of all listings of a channel and store them. Only workers and commands load this file."""

import hashlib
import json
import math
import time
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.models import Channel
from optimizer.engine import ElasticityConfig, resolve_device
from optimizer.models import ElasticityEstimate, ElasticityFit
from optimizer.services.channel_sales import ChannelSales, channel_sales
from optimizer.services.demand_methods import Config, LearnedDemand, config_as_dict, default_config, learn_demand

INSERT_BATCH = 2_000


def fit_channel(
    *,
    channel: Channel,
    now: datetime,
    method: str = ElasticityFit.Method.INDEPENDENT,
    config: Config | None = None,
    author: User | None = None,
    sales: ChannelSales | None = None,
) -> ElasticityFit:
    """Fit the channel's weekly sales, read here where not given, and store a posterior for each listing that sold.

    The same sales under the same configuration are fitted once. One transaction: a fit is there with all its estimates
    or not at all. It is a candidate: `optimizer.services.promote_fit` has it go live.

    Raises:
        NothingToLearnFrom: the channel has no sales.
    """
    config = config or default_config(method, settings.PRICING_DEVICE)
    sales, of_fit = sales or channel_sales(channel=channel), config_as_dict(method, config)
    fingerprint = _fingerprint(sales, method, of_fit)
    if known := ElasticityFit.objects.filter(channel=channel, fingerprint=fingerprint).first():
        return known
    started = time.monotonic()
    found = learn_demand(sales.panel, sales.category, config)
    rows = _estimates(found, sales)
    fit = ElasticityFit(
        channel=channel,
        fingerprint=fingerprint,
        method=method,
        config=of_fit,
        data_from=sales.first,
        data_to=sales.last,
        created_at=now,
        created_by=author,
        seconds=time.monotonic() - started,
        device=_device(config),
        diagnostics=found.diagnostics,
    )
    try:
        return _store(fit, rows)
    except IntegrityError:  # somebody else learned the same meanwhile, or the error is another one
        known = ElasticityFit.objects.filter(channel=channel, fingerprint=fingerprint).first()
        if known is None:
            raise
        return known


def _fingerprint(sales: ChannelSales, method: str, config: dict[str, object]) -> str:
    settings_of_fit = json.dumps({"method": method, **config}, sort_keys=True)
    return hashlib.sha256((sales.digest + settings_of_fit).encode()).hexdigest()


def _device(config: Config) -> str:
    return str(resolve_device(config.device).final) if isinstance(config, ElasticityConfig) else "cpu"


def _estimates(found: LearnedDemand, sales: ChannelSales) -> list[ElasticityEstimate]:
    """Return a row a listing; demand is times the share of weeks in which the listing sold."""
    share = sales.share_of_weeks_with_sales()
    return [
        ElasticityEstimate(
            listing_id=listing_id,
            mean=found.elasticity_mean[index],
            sd=found.elasticity_sd[index],
            reference_price=math.exp(found.reference_log_price[index]),
            base_demand=found.base_demand[index] * share[index],
            log_demand_sd=found.log_demand_sd[index],
            weeks=found.weeks[index],
            log_price_sd=found.log_price_sd[index],
            residual_sd=found.residual_sd[index],
            r2=found.r2[index],
            shrinkage=found.shrinkage[index],
            informed=bool(found.informed[index]),
            note=found.notes[index],
        )
        for index, listing_id in enumerate(sales.listing_ids)
    ]


@transaction.atomic
def _store(fit: ElasticityFit, rows: list[ElasticityEstimate]) -> ElasticityFit:
    fit.save()
    for row in rows:
        row.fit = fit
    ElasticityEstimate.objects.bulk_create(rows, batch_size=INSERT_BATCH)
    return fit
