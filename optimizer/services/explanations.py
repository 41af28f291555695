"""Why a price is what it is, in words and numbers for people, and in integers from which it can be worked out again."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import MISSING, RULE_LABELS, Rule
from catalog.money import amount_text, ticks_text
from catalog.selectors.listing_rows import PricedListing
from catalog.selectors.pricing_facts import PricingFacts
from optimizer.engine import PricingInputs, PricingResult
from optimizer.models import OptimizationRun
from optimizer.selectors.estimates import Estimate
from optimizer.services.what_if import WhatIf

Columns = dict[str, list[Any]]

NO_ESTIMATE = "no sales: the prior stands"


@dataclass(frozen=True)
class ChunkDecision:
    """Everything that one chunk of a run knew and decided; sequences have one entry a listing."""

    run: OptimizationRun
    facts: PricingFacts[PricedListing]
    estimates: list[Estimate | None]
    inputs: Columns
    result: Columns
    what_if: WhatIf | None = None
    revenue_sd: NDArray[np.float64] | None = None
    limits_written: dict[int, "WrittenLimits"] = field(default_factory=dict)

    def amount(self, ticks: float) -> str:
        """Return ticks as a decimal string; a whole number of minor units."""
        return ticks_text(round(ticks), self.facts.channel.currency_exponent)

    def limits(self, index: int) -> "WrittenLimits":
        """Return one listing's limits as an explanation writes them, once for all that share them."""
        resolved = self.facts.resolved[index]
        if id(resolved) not in self.limits_written:
            written = WrittenLimits(self.facts.limits_in_force(index), resolved.guardrails.as_dict())
            self.limits_written[id(resolved)] = written
        return self.limits_written[id(resolved)]


class WrittenLimits(NamedTuple):
    """Limits with their scopes for people, and as they are worked out from again."""

    in_force: dict[str, dict[str, Any]]
    replayed: dict[str, Any]


def columns(batch: PricingInputs | PricingResult) -> Columns:
    """Return the columns of numbers as lists: one by one, Python reads those in a third of the time."""
    arrays = {name: getattr(batch, name) for name in batch.__dataclass_fields__}
    return {name: array.tolist() for name, array in arrays.items() if isinstance(array, np.ndarray)}


def explain(decision: ChunkDecision, index: int) -> dict[str, Any]:
    """Return the explanation of one listing's price, JSON-able; see docs/flows.md for its fields."""
    supposed = {"what_if": decision.what_if.explanation(index)} if decision.what_if else {}
    return {
        **supposed,
        "objective": decision.run.objective,
        "model": str(decision.run.fit),
        "inputs": _inputs(decision, index),
        "guardrails": decision.limits(index).in_force,
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
        "demand": {"value": decision.inputs["demand"][index], **_demand_source(decision.run, estimate)},
        "elasticity": {
            "mean": decision.inputs["elasticity_mean"][index],
            "sd": decision.inputs["elasticity_sd"][index],
            "informed": estimate.informed if estimate else False,
            "note": estimate.note if estimate else NO_ESTIMATE,
        },
    }
    inputs |= _today(decision, index)
    if competitor:
        price, seen, assumed = competitor
        inputs["competitor_price"] = {"value": amount_text(price, exponent), "at": _time(seen), "assumed": assumed}
    return inputs


def _demand_source(run: OptimizationRun, estimate: Estimate | None) -> dict[str, Any]:
    """Return the week that the level of demand is of, and the forecaster that states it, where one does."""
    if estimate is None or estimate.forecast is None:
        return {"week": str(run.fit.data_to)}
    ahead = estimate.forecast
    return {"week": str(ahead.from_day), "forecaster": ahead.forecaster, "at": _time(ahead.made_at)}


def _today(decision: ChunkDecision, index: int) -> dict[str, Any]:
    """Return what the limits of a day were measured against; nothing where no such limit applies."""
    start_ticks, changes = (decision.inputs[name][index] for name in ("day_start_ticks", "changes_today"))
    today: dict[str, Any] = {}
    if start_ticks != MISSING:
        today["day_start_price"] = {"value": decision.amount(start_ticks), "at": decision.facts.day_start.isoformat()}
    if changes != MISSING:
        today["changes_today"] = {"value": changes, "since": decision.facts.day_start.isoformat()}
    return today


def _time(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _candidate(decision: ChunkDecision, index: int) -> str | None:
    """Return the best price without guardrails and stock; None where the objective has no finite one."""
    ticks = decision.result["candidate_ticks"][index]
    return None if ticks == MISSING else decision.amount(ticks)


def _clamps(decision: ChunkDecision, index: int) -> list[dict[str, str | None]]:
    """Return how the candidate became the price: the end of the band or the stock that held it, then the ending."""
    result = decision.result
    price, candidate, rule = (result[name][index] for name in ("price_ticks", "candidate_ticks", "rule"))
    if MISSING in (price, candidate) or price == candidate:
        return [] if candidate != MISSING or price == MISSING else [_clamp(decision, rule, None, price)]
    held = min(max(candidate, result["lower_ticks"][index]), result["upper_ticks"][index])
    if rule == Rule.STOCK_LIMIT or held == price:
        return [_clamp(decision, rule, candidate, price)]
    side = result["lower_rule"][index] if candidate < held else result["upper_rule"][index]
    steps = [] if held == candidate else [_clamp(decision, side, candidate, held)]
    return [*steps, _clamp(decision, Rule.PRICE_ENDING, held, price)]


def _clamp(decision: ChunkDecision, rule: int, before: int | None, after: int) -> dict[str, str | None]:
    return {
        "rule": RULE_LABELS[rule],
        "before": None if before is None else decision.amount(before),
        "after": decision.amount(after),
    }


def _expected(decision: ChunkDecision, index: int) -> dict[str, Any]:
    result = decision.result
    if result["price_ticks"][index] == MISSING:
        return {}
    return {
        "demand": result["expected_demand"][index],
        "revenue": decision.amount(result["expected_revenue"][index]),
        "profit": decision.amount(result["expected_profit"][index]),
        "profit_90_percent": [
            decision.amount(result["profit_low"][index]),
            decision.amount(result["profit_high"][index]),
        ],
        "profit_change": decision.amount(result["profit_change_mean"][index]),
        "probability_better": result["probability_better"][index],
    }


def _replay(decision: ChunkDecision, index: int) -> dict[str, Any]:
    inputs = decision.inputs
    return {
        "objective": decision.run.objective,
        "current_price_ticks": _known(inputs["current_ticks"][index]),
        "cost_units": _known(inputs["cost_units"][index]),
        "demand": inputs["demand"][index],
        "elasticity_mean": inputs["elasticity_mean"][index],
        "elasticity_sd": inputs["elasticity_sd"][index],
        "log_demand_sd": inputs["log_demand_sd"][index],
        "inventory": _known(inputs["inventory"][index]),
        "competitor_price_ticks": _known(inputs["competitor_ticks"][index]),
        "day_start_ticks": _known(inputs["day_start_ticks"][index]),
        "changes_today": _known(inputs["changes_today"][index]),
        "guardrails": decision.limits(index).replayed,
        "price_ticks": _known(decision.result["price_ticks"][index]),
    }


def _known(value: int) -> int | None:
    return None if value == MISSING else value
