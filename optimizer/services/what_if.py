"""Facts as a simulation supposes them, and the real state that it was computed on."""

import copy
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Q

from catalog.guardrails import GuardrailBatch, ResolvedGuardrails, int_column
from catalog.models import Listing
from catalog.money import amount_text, to_basis_points, to_cost_units
from catalog.selectors.listing_rows import PricedListing
from catalog.selectors.pricing_facts import PricingFacts, Row
from optimizer.assumptions import Assumptions
from optimizer.models import Simulation

SCOPE = "what-if"
COST_STEP = Decimal("0.0001")
DIGEST_LETTERS = 16


def chosen_listings(assumptions: Assumptions) -> Q:
    """Return the condition on listings that a simulation is limited to; an empty one for the whole channel."""
    if not assumptions.is_subset:
        return Q()
    return Q(product__category__code__in=assumptions.categories) | Q(product__sku__in=assumptions.skus)


@dataclass(frozen=True)
class WhatIf:
    """A simulation beside the real facts of some of its listings; one entry a listing."""

    simulation: Simulation
    assumptions: Assumptions
    real: PricingFacts[Listing]
    states: list[dict[str, Any]]

    @classmethod
    def of(cls, simulation: Simulation, real: PricingFacts[Listing]) -> "WhatIf":
        return cls(simulation, Assumptions.from_dict(simulation.assumptions), real, listing_states(real))

    def supposed_facts(self) -> PricingFacts[Listing]:
        """Return the facts with supposed costs and limits in the place of the real ones; nothing is saved."""
        return _with_costs(with_limits(self.real, self.assumptions), self.assumptions)

    def explanation(self, index: int) -> dict[str, Any]:
        """Return what a decision's explanation says of the simulation: name, what was supposed, real cost, state."""
        listing = self.real.listings[index]
        return {
            "simulation": self.simulation.name,
            "guardrails": {name: str(value) for name, value in self.assumptions.guardrails.items()},
            "cost_change": _text(cost_change(listing, self.assumptions)),
            "real_unit_cost": _text(listing.unit_cost),
            "state": self.states[index],
        }


def cost_change(listing: Listing, assumptions: Assumptions) -> Decimal | None:
    """Return the change supposed of a listing's cost, a fraction; its product's category must be loaded."""
    category = listing.product.category if assumptions.cost_changes else None
    return assumptions.cost_change_of(category.code if category else None)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def with_limits(facts: PricingFacts[Row], assumptions: Assumptions) -> PricingFacts[Row]:
    trial: dict[str, Any] = {f"{name}_bp": to_basis_points(value) for name, value in assumptions.guardrails.items()}
    if not trial:
        return facts
    sources = dict.fromkeys(trial, SCOPE)
    known: dict[int, ResolvedGuardrails] = {}  # many listings share one resolution
    resolved = [
        known.setdefault(id(each), ResolvedGuardrails(replace(each.guardrails, **trial), {**each.sources, **sources}))
        for each in facts.resolved
    ]
    return replace(facts, resolved=resolved, limits=GuardrailBatch.from_rows([each.guardrails for each in resolved]))


def _with_costs(facts: PricingFacts[Listing], assumptions: Assumptions) -> PricingFacts[Listing]:
    if not assumptions.cost_changes:
        return facts
    listings = [_with_cost(listing, assumptions) for listing in facts.listings]
    exponent = facts.channel.currency_exponent
    units = [None if row.unit_cost is None else to_cost_units(row.unit_cost, exponent) for row in listings]
    return replace(facts, listings=listings, facts=replace(facts.facts, cost_units=int_column(units)))


def _with_cost(listing: Listing, assumptions: Assumptions) -> Listing:
    change = cost_change(listing, assumptions)
    if change is None or listing.unit_cost is None:
        return listing
    supposed = copy.copy(listing)
    supposed.unit_cost = (listing.unit_cost * (1 + change)).quantize(COST_STEP)
    return supposed


def listing_states(facts: PricingFacts[PricedListing]) -> list[dict[str, Any]]:
    """Return what a simulation of each listing rests on: price in force, unit cost, limits, competitor reference.

    Two states are equal while a decision on the listing would see the same.
    """
    exponent = facts.channel.currency_exponent
    digests: dict[int, str] = {}
    states = []
    for listing, resolved in zip(facts.listings, facts.resolved, strict=True):
        if id(resolved) not in digests:
            digests[id(resolved)] = _digest(json.dumps(resolved.guardrails.as_dict(), sort_keys=True))
        competitor = facts.competitors.get(listing.pk)
        states.append(
            {
                "price": amount_text(listing.price_in_force, exponent),
                "price_version": listing.price_version,
                "unit_cost": _text(listing.unit_cost),
                "guardrails": digests[id(resolved)],
                "competitor_price": None if competitor is None else amount_text(competitor[0], exponent),
            }
        )
    return states


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LETTERS]


def fingerprint(states: Iterable[tuple[int, dict[str, Any]]]) -> str:
    """Return one hash of the states of many listings, given as (listing id, state) in the order of the ids."""
    total = hashlib.sha256()
    for listing_id, state in states:
        total.update(f"{listing_id}:{json.dumps(state, sort_keys=True)}\n".encode())
    return total.hexdigest()
