"""Judge limits by what the optimiser would do under them. Only commands load this file; nothing is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
from django.conf import settings

from catalog.guardrails import MISSING
from catalog.models import Channel, Listing
from catalog.selectors.listing_rows import PricedListing, listing_rows
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts
from optimizer.assumptions import Assumptions
from optimizer.engine import PricingResult, optimize_ticks, resolve_device
from optimizer.engine.devices import ComputeDevice
from optimizer.engine.tuning import Judgement, Knob, Trial, Tuning, tune
from optimizer.selectors.estimates import Estimate, estimates_of
from optimizer.selectors.live_models import live_fit
from optimizer.services.open_run import CannotOptimize
from optimizer.services.recommendations import pricing_inputs
from optimizer.services.what_if import with_limits


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Hold what the limits have to keep; None where it does not matter.

    Args:
        least_revenue_change: least expected change of revenue, a fraction.
        most_mean_change: largest mean size of a change of price, over those that change, a fraction.
        most_share_changed: largest share of prices that change, a fraction.
    """

    least_revenue_change: float | None = None
    most_mean_change: float | None = None
    most_share_changed: float | None = None


@dataclass(frozen=True)
class GuardrailJudge:
    """Prices a channel under trial limits, again and again from facts that were read once."""

    facts: PricingFacts[PricedListing]
    estimates: list[Estimate | None]
    objective: str
    conditions: Conditions
    risk_aversion: float
    device: ComputeDevice = field(default_factory=lambda: resolve_device(settings.PRICING_DEVICE))

    def judge(self, limits: dict[str, float]) -> Judgement:
        """Return the change of the objective (of profit less ``risk_aversion`` posterior sds), and what it does."""
        corridor = {}
        if {"competitor_min", "competitor_max"} <= limits.keys():
            corridor["corridor"] = limits["competitor_min"] - limits["competitor_max"]
        if corridor.get("corridor", 0.0) > 0:  # no policy: nothing can be priced under it, so nothing else is missed
            return Judgement(0.0, corridor | dict.fromkeys(self._violations({}), 0.0))
        trial = Assumptions(guardrails={name: Decimal(str(value)) for name, value in limits.items()})
        result = optimize_ticks(
            pricing_inputs(with_limits(self.facts, trial), self.estimates), self.objective, device=self.device
        )
        numbers = _numbers(result, 10.0**-self.facts.channel.currency_exponent)
        value = numbers[f"{self.objective}_change"]
        if self.objective == "profit":
            value -= self.risk_aversion * numbers["profit_change_sd"]
        return Judgement(value, corridor | self._violations(numbers), numbers)

    def _violations(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return by how much each condition that was asked for is missed; without numbers, by how much it asks."""
        wanted = self.conditions
        missed = {
            "revenue": (wanted.least_revenue_change, -1),
            "mean_change": (wanted.most_mean_change, 1),
            "share_changed": (wanted.most_share_changed, 1),
        }
        return {
            name: sign * (numbers.get(NUMBER_OF[name], 0.0) - limit)
            for name, (limit, sign) in missed.items()
            if limit is not None
        }


NUMBER_OF = {"revenue": "revenue_shift", "mean_change": "mean_change", "share_changed": "share_changed"}


def _numbers(result: PricingResult, unit: float) -> dict[str, float]:
    priced = result.price_ticks != MISSING
    new, old = result.price_ticks[priced].astype(float), result.previous_ticks[priced].astype(float)
    revenue_before = float((result.previous_demand[priced] * old).sum())
    revenue = float(result.expected_revenue[priced].sum())
    size = np.abs(new / old - 1)
    changed = size > 0
    return {
        "profit_change": float(result.profit_change_mean[priced].sum()) * unit,
        "profit_change_sd": float(np.sqrt(np.square(result.profit_change_sd[priced]).sum())) * unit,
        "revenue_change": (revenue - revenue_before) * unit,
        "market_share_change": float((result.expected_demand - result.previous_demand)[priced].sum()),
        "revenue_shift": revenue / revenue_before - 1 if revenue_before else 0.0,
        "share_changed": float(changed.mean()) if len(changed) else 0.0,
        "mean_change": float(size[changed].mean()) if changed.any() else 0.0,
    }


def tune_guardrails(
    *,
    channel: Channel,
    knobs: Sequence[Knob],
    objective: str,
    conditions: Conditions,
    trials: int,
    seed: int,
    now: datetime,
    risk_aversion: float = 0.0,
    told: Callable[[Trial], None] = lambda trial: None,
) -> Tuning:
    """Try limits for a whole channel and return what each would bring.

    Raises:
        CannotOptimize: no elasticities were fitted for the channel, or it has no products.
        TuningUnavailable: Optuna is not installed.
    """
    fit = live_fit(channel=channel)
    if fit is None:
        raise CannotOptimize(f"no elasticities for channel {channel.code!r}: run `manage.py fit_elasticities` first")
    listings = Listing.objects.filter(channel=channel, product__is_active=True).order_by("pk")
    facts = pricing_facts(channel=channel, listings=listing_rows(listings), now=now)
    if not len(facts):
        raise CannotOptimize(f"channel {channel.code!r} has no products: run `manage.py import_sales` first")
    known = estimates_of(fit=fit, first_pk=facts.listings[0].pk, last_pk=facts.listings[-1].pk)
    estimates = [known.get(listing.pk) for listing in facts.listings]
    judge = GuardrailJudge(facts, estimates, objective, conditions, risk_aversion)
    return tune(knobs, judge.judge, trials=trials, seed=seed, told=told)
