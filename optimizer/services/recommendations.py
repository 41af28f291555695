"""Optimise some listings of a run with the engine and store what it recommends."""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import QuerySet

from catalog.copying import copy_rows
from catalog.guardrails import MISSING, RULE_LABELS
from catalog.models import Listing
from catalog.money import from_ticks
from catalog.selectors.listing_rows import PricedListing, listing_rows
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts
from catalog.services.measured import measured_listings
from optimizer.assumptions import Assumptions
from optimizer.engine import UNPRICED_REASONS, PricingInputs, optimize_ticks, resolve_device
from optimizer.engine.pricing_config import PRIOR
from optimizer.engine.revenue_change import revenue_change_sd
from optimizer.models import OptimizationRun, Recommendation, Simulation
from optimizer.selectors.estimates import Estimate, estimates_of
from optimizer.services.explanations import ChunkDecision, columns, explain
from optimizer.services.what_if import WhatIf, chosen_listings


def recommend(*, run: OptimizationRun, first_pk: int, last_pk: int, now: datetime) -> str:
    """Write one recommendation a listing of the range, priced or with the reason why not; return the device used.

    The caller owns the transaction.
    """
    simulation = Simulation.objects.filter(run=run).first()
    what_if = None if simulation is None else _what_if(simulation, first_pk, last_pk, now)
    facts = what_if.supposed_facts() if what_if else _facts(run, first_pk, last_pk, now)
    known = estimates_of(fit=run.fit, first_pk=first_pk, last_pk=last_pk)
    estimates = [known.get(listing.pk) for listing in facts.listings]
    inputs = pricing_inputs(facts, estimates)
    device = resolve_device(settings.PRICING_DEVICE)
    result = optimize_ticks(inputs, run.objective, device=device)
    revenue_sd = revenue_change_sd(inputs, result.price_ticks, device) if what_if else None
    decision = ChunkDecision(run, facts, estimates, columns(inputs), columns(result), what_if, revenue_sd)
    measured = measured_listings(listing_ids=[row.pk for row in facts.listings])
    rows = [
        _recommendation(decision, index)
        if listing.pk not in measured
        else _unpriced(decision, index, measured[listing.pk])
        for index, listing in enumerate(facts.listings)
    ]
    copy_rows(Recommendation, rows)
    return str(device.search)


def _what_if(simulation: Simulation, first_pk: int, last_pk: int, now: datetime) -> WhatIf:
    chosen = chosen_listings(Assumptions.from_dict(simulation.assumptions))
    listings = _range(simulation.run, first_pk, last_pk).filter(chosen).select_related("product__category")
    return WhatIf.of(simulation, pricing_facts(channel=simulation.run.channel, listings=listings, now=now))


def _facts(run: OptimizationRun, first_pk: int, last_pk: int, now: datetime) -> PricingFacts[PricedListing]:
    return pricing_facts(channel=run.channel, listings=listing_rows(_range(run, first_pk, last_pk)), now=now)


def _range(run: OptimizationRun, first_pk: int, last_pk: int) -> QuerySet[Listing]:
    in_range = Listing.objects.filter(channel=run.channel, pk__range=(first_pk, last_pk))
    return in_range.filter(product__is_active=True).order_by("pk")


def pricing_inputs(facts: PricingFacts[PricedListing], estimates: list[Estimate | None]) -> PricingInputs:
    """Return the engine's inputs: demand a week at the price in force, moved there from the fit's reference price."""
    rows = [_demand_at_current_price(facts, index, estimate) for index, estimate in enumerate(estimates)]
    demand, log_demand_sd, mean, sd = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return PricingInputs(
        current_ticks=facts.facts.current_ticks,
        cost_units=facts.facts.cost_units,
        demand=np.ascontiguousarray(demand),
        elasticity_mean=np.ascontiguousarray(mean),
        elasticity_sd=np.ascontiguousarray(sd),
        log_demand_sd=np.ascontiguousarray(log_demand_sd),
        inventory=facts.facts.stock,
        competitor_ticks=facts.facts.competitor_ticks,
        day_start_ticks=facts.facts.day_start_ticks,
        changes_today=facts.facts.changes_today,
        guardrails=facts.limits,
    )


def _demand_at_current_price(
    facts: PricingFacts[PricedListing], index: int, estimate: Estimate | None
) -> tuple[float, float, float, float]:
    """Return (demand, its log sd, elasticity mean, elasticity sd); without an estimate the prior and no demand."""
    if estimate is None:
        return 0.0, 0.0, PRIOR.mean, PRIOR.sd
    log_ratio = math.log(float(facts.listings[index].price_in_force) / estimate.reference_price)
    spread = estimate.sd * log_ratio
    demand = estimate.base_demand * math.exp(estimate.mean * log_ratio + spread**2 / 2)
    return demand, math.hypot(estimate.log_demand_sd, spread), estimate.mean, estimate.sd


@dataclass(slots=True)
class RecommendationRow:
    """A row to be: a `Recommendation` without the cost of an instance, for there may be a million."""

    run_id: UUID
    listing_id: int
    previous_price: Decimal
    explanation: dict[str, Any]
    outcome: str = Recommendation.Outcome.WAITING.value
    outcome_reason: str = ""
    price: Decimal | None = None
    binding_rule: str = ""
    expected_demand: float | None = None
    expected_revenue: float | None = None
    expected_profit: float | None = None
    profit_p05: float | None = None
    profit_p95: float | None = None
    demand_before: float | None = None
    revenue_before: float | None = None
    profit_before: float | None = None
    profit_change_mean: float | None = None
    profit_change_sd: float | None = None
    probability_better: float | None = None
    revenue_change_sd: float | None = None
    id: int | None = None


def _unpriced(decision: ChunkDecision, index: int, reason: str) -> RecommendationRow:
    listing = decision.facts.listings[index]
    row = RecommendationRow(decision.run.pk, listing.pk, listing.price_in_force, explain(decision, index))
    row.outcome, row.outcome_reason = Recommendation.Outcome.UNPRICED.value, reason
    return row


def _recommendation(decision: ChunkDecision, index: int) -> RecommendationRow:
    result, listing = decision.result, decision.facts.listings[index]
    ticks = result["price_ticks"][index]
    if ticks == MISSING:
        return _unpriced(decision, index, UNPRICED_REASONS[result["unpriced"][index]])
    row = RecommendationRow(decision.run.pk, listing.pk, listing.price_in_force, explain(decision, index))
    exponent = decision.facts.channel.currency_exponent
    money = 10.0**-exponent
    row.price, row.binding_rule = from_ticks(ticks, exponent), RULE_LABELS[result["rule"][index]]
    row.expected_demand = result["expected_demand"][index]
    row.expected_revenue = result["expected_revenue"][index] * money
    row.expected_profit = result["expected_profit"][index] * money
    row.profit_p05 = result["profit_low"][index] * money
    row.profit_p95 = result["profit_high"][index] * money
    row.demand_before = result["previous_demand"][index]
    row.revenue_before = result["previous_demand"][index] * result["previous_ticks"][index] * money
    row.profit_before = result["previous_profit"][index] * money
    row.profit_change_mean = result["profit_change_mean"][index] * money
    row.profit_change_sd = result["profit_change_sd"][index] * money
    row.probability_better = result["probability_better"][index]
    row.revenue_change_sd = None if decision.revenue_sd is None else decision.revenue_sd[index] * money
    return row
