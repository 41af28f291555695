"""Why a price is what it is, in words and numbers for people, and in integers from which it can be worked out again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import MISSING, Rule
from catalog.money import amount_text, from_ticks
from catalog.selectors.listing_rows import PricedListing
from catalog.selectors.pricing_facts import PricingFacts
from optimizer.engine import PricingInputs, PricingResult
from optimizer.models import ElasticityEstimate, OptimizationRun
from optimizer.services.what_if import WhatIf

NO_ESTIMATE = "no sales: the prior stands"


@dataclass(frozen=True)
class ChunkDecision:
    """Everything that one chunk of a run knew and decided; sequences have one entry a listing."""

    run: OptimizationRun
    facts: PricingFacts[PricedListing]
    estimates: list[ElasticityEstimate | None]
    inputs: PricingInputs
    result: PricingResult
    what_if: WhatIf | None = None
    revenue_sd: NDArray[np.float64] | None = None

    def amount(self, ticks: float) -> str:
        """Return ticks as a decimal string; a whole number of minor units."""
        exponent = self.facts.channel.currency_exponent
        return amount_text(from_ticks(round(ticks), exponent), exponent)


def explain(decision: ChunkDecision, index: int) -> dict[str, Any]:
    """Return the explanation of one listing's price, JSON-able; see docs/flows.md for its fields."""
    supposed = {"what_if": decision.what_if.explanation(index)} if decision.what_if else {}
    return {
        **supposed,
        "objective": decision.run.objective,
        "model": str(decision.run.fit),
        "inputs": _inputs(decision, index),
        "guardrails": decision.facts.limits_in_force(index),
        "candidate": _candidate(decision, index),
        "clamps": _clamps(decision, index),
        "expected": _expected(decision, index),
        "replay": _replay(decision, index),
    }


def _inputs(decision: ChunkDecision, index: int) -> dict[str, Any]:
    listing, estimate = decision.facts.listings[index], decision.estimates[index]
    exponent = decision.facts.channel.currency_exponent
    competitor = decision.facts.competitors.get(listing.pk)
    inputs: dict[str, Any] = {
        "current_price": {
            "value": amount_text(listing.price_in_force, exponent),
            "at": _time(listing.price_since),
            "version": listing.price_version,
        },
        "unit_cost": {
            "value": None if listing.unit_cost is None else f"{listing.unit_cost.normalize():f}",
            "at": _time(listing.unit_cost_at),
            "assumed": listing.unit_cost_assumed,
        },
        "inventory": {
            "value": listing.inventory,
            "at": _time(listing.inventory_at),
            "assumed": listing.inventory_assumed,
        },
        "demand": {"value": float(decision.inputs.demand[index]), "week": str(decision.run.fit.data_to)},
        "elasticity": {
            "mean": float(decision.inputs.elasticity_mean[index]),
            "sd": float(decision.inputs.elasticity_sd[index]),
            "informed": estimate.informed if estimate else False,
            "note": estimate.note if estimate else NO_ESTIMATE,
        },
    }
    inputs |= _today(decision, index)
    if competitor:
        price, seen, assumed = competitor
        inputs["competitor_price"] = {"value": amount_text(price, exponent), "at": _time(seen), "assumed": assumed}
    return inputs


def _today(decision: ChunkDecision, index: int) -> dict[str, Any]:
    """Return what the limits of a day were measured against; nothing where no such limit applies."""
    facts, start = decision.facts.facts, decision.facts.day_start.isoformat()
    today: dict[str, Any] = {}
    if facts.day_start_ticks[index] != MISSING:
        today["day_start_price"] = {"value": decision.amount(facts.day_start_ticks[index]), "at": start}
    if facts.changes_today[index] != MISSING:
        today["changes_today"] = {"value": int(facts.changes_today[index]), "since": start}
    return today


def _time(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _candidate(decision: ChunkDecision, index: int) -> str | None:
    """Return the best price without guardrails and stock; None where the objective has no finite one."""
    ticks = decision.result.candidate_ticks[index]
    return None if ticks == MISSING else decision.amount(ticks)


def _clamps(decision: ChunkDecision, index: int) -> list[dict[str, str | None]]:
    """Return how the candidate became the price: the end of the band or the stock that held it, then the ending."""
    result = decision.result
    price, candidate, rule = (column[index] for column in (result.price_ticks, result.candidate_ticks, result.rule))
    if MISSING in (price, candidate) or price == candidate:
        return [] if candidate != MISSING or price == MISSING else [_clamp(decision, rule, None, price)]
    held = min(max(candidate, result.lower_ticks[index]), result.upper_ticks[index])
    if rule == Rule.STOCK_LIMIT or held == price:
        return [_clamp(decision, rule, candidate, price)]
    side = result.lower_rule[index] if candidate < held else result.upper_rule[index]
    steps = [] if held == candidate else [_clamp(decision, side, candidate, held)]
    return [*steps, _clamp(decision, Rule.PRICE_ENDING, held, price)]


def _clamp(decision: ChunkDecision, rule: int, before: int | None, after: int) -> dict[str, str | None]:
    return {
        "rule": Rule(int(rule)).label,
        "before": None if before is None else decision.amount(before),
        "after": decision.amount(after),
    }


def _expected(decision: ChunkDecision, index: int) -> dict[str, Any]:
    result = decision.result
    if result.price_ticks[index] == MISSING:
        return {}
    return {
        "demand": float(result.expected_demand[index]),
        "revenue": decision.amount(result.expected_revenue[index]),
        "profit": decision.amount(result.expected_profit[index]),
        "profit_90_percent": [
            decision.amount(result.profit_low[index]),
            decision.amount(result.profit_high[index]),
        ],
        "profit_change": decision.amount(result.profit_change_mean[index]),
        "probability_better": float(result.probability_better[index]),
    }


def _replay(decision: ChunkDecision, index: int) -> dict[str, Any]:
    inputs = decision.inputs
    assert inputs.inventory is not None and inputs.competitor_ticks is not None and inputs.log_demand_sd is not None
    assert inputs.day_start_ticks is not None and inputs.changes_today is not None
    return {
        "objective": decision.run.objective,
        "current_price_ticks": _known(inputs.current_ticks[index]),
        "cost_units": _known(inputs.cost_units[index]),
        "demand": float(inputs.demand[index]),
        "elasticity_mean": float(inputs.elasticity_mean[index]),
        "elasticity_sd": float(inputs.elasticity_sd[index]),
        "log_demand_sd": float(inputs.log_demand_sd[index]),
        "inventory": _known(inputs.inventory[index]),
        "competitor_price_ticks": _known(inputs.competitor_ticks[index]),
        "day_start_ticks": _known(inputs.day_start_ticks[index]),
        "changes_today": _known(inputs.changes_today[index]),
        "guardrails": decision.facts.resolved[index].guardrails.as_dict(),
        "price_ticks": _known(decision.result.price_ticks[index]),
    }


def _known(value: Any) -> int | None:
    return None if value == MISSING else int(value)
