"""The peer of `nightly_run`: the same run with models, row by row, as one writes it at first."""

import json
import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from catalog.guardrails import MISSING, RULE_LABELS
from catalog.models import Channel, Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.money import from_ticks
from catalog.price_cache import redis_connection
from catalog.selectors.pricing_facts import pricing_facts
from optimizer.engine import optimize_ticks
from optimizer.models import ElasticityEstimate, OptimizationRun, Recommendation
from optimizer.selectors.estimates import Estimate
from optimizer.services.explanations import ChunkDecision, columns, explain
from optimizer.services.recommendations import pricing_inputs


class _Undo(Exception):
    """Leaves the database as it was."""


def orm_seconds(run: OptimizationRun, channel: Channel, rows: int) -> tuple[float, dict[int, Any]]:
    """Price and publish the first listings of a channel with models and one statement after the other.

    Engine and explanation are ours, in bulk; no lock, refusal, approval, history or price law is looked at, and the
    record in Redis says only the price. All is undone.

    Returns:
        Seconds, and the prices by listing id.
    """
    redis, _ = redis_connection()
    prices: dict[int, Any] = {}
    try:
        with transaction.atomic():
            began = time.perf_counter()
            listings = list(Listing.objects.filter(channel=channel).select_related("product", "channel")[:rows])
            _publish(run, channel, listings, prices)
            for listing in listings:
                record = {"price": str(listing.price), "version": listing.price_version, "sku": listing.product.sku}
                redis.set(f"orm:{listing.product.sku}", json.dumps(record))
            seconds = time.perf_counter() - began
            redis.delete(*(f"orm:{listing.product.sku}" for listing in listings))
            raise _Undo
    except _Undo:
        return seconds, prices


def _publish(run: OptimizationRun, channel: Channel, listings: list[Listing], prices: dict[int, Any]) -> None:
    now, exponent = timezone.now(), channel.currency_exponent
    facts = pricing_facts(channel=channel, listings=listings, now=now)
    known = {row.listing_id: row for row in ElasticityEstimate.objects.filter(fit=run.fit, listing__in=listings)}
    estimates = [_estimate(known[listing.pk]) for listing in listings]
    inputs = pricing_inputs(facts, estimates)
    result = optimize_ticks(inputs, run.objective, device="cpu")
    decision = ChunkDecision(run, facts, estimates, columns(inputs), columns(result))
    for index, listing in enumerate(listings):
        if result.price_ticks[index] == MISSING:
            continue
        price, explanation = from_ticks(result.price_ticks[index], exponent), explain(decision, index)
        rule = RULE_LABELS[result.rule[index]]
        Recommendation.objects.create(
            run=run,
            listing=listing,
            price=price,
            previous_price=listing.price_in_force,
            binding_rule=rule,
            explanation=explanation,
            outcome=Recommendation.Outcome.PUBLISHED,
        )
        change = PriceChange.objects.create(
            listing=listing,
            version=listing.price_version + 1,
            price=price,
            previous_price=listing.price_in_force,
            prior_price=min(price, listing.price_in_force),
            valid_from=now,
            source=PriceSource.OPTIMIZER,
            run_id=run.pk,
            idempotency_key=f"orm:{run.pk}",
            binding_rule=rule,
            explanation=explanation,
        )
        listing.price, listing.price_version, listing.price_since = price, change.version, now
        listing.price_source = PriceSource.OPTIMIZER
        listing.save(update_fields=["price", "price_version", "price_since", "price_source"])
        prices[listing.pk] = price


def _estimate(row: ElasticityEstimate) -> Estimate:
    return Estimate._make(getattr(row, name) for name in Estimate._fields)
