"""Price one product."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np

from catalog.guardrails import COST_UNITS_PER_TICK, GuardrailBatch, Guardrails, int_column

from .devices import resolve_device
from .pricing_arrays import PricingInputs, PricingResult
from .pricing_config import ElasticityPosterior, PricingConfig
from .ticks import optimize_ticks

Amount = Decimal | float | int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimalPrice:
    """Hold the price of one product and what it is expected to bring.

    Args:
        product_id: the product asked about.
        price: the best admissible price, currency; None where the product cannot be priced.
        previous_price: the price in force, currency.
        binding_rule: what decided the price: `own_optimum`, `stock_limit`, a guardrail's name, or `unpriced`.
        unpriced_reason: why there is no price, or None.
        expected_demand, demand_low, demand_high: units at the new price: mean, 5 % and 95 % quantile.
        expected_revenue: currency.
        expected_profit: currency.
        previous_profit: expected profit at the price in force, currency.
        profit_change_mean, profit_change_sd: currency.
        probability_better: that the new price earns more than the one in force.
        confidence: `probability_better`, and 1 where the price stays.
        explanation: the recorded inputs, JSON-able; `optimizer.replay.replay_price` recomputes the price from it.
    """

    product_id: str
    price: Decimal | None
    previous_price: Decimal
    binding_rule: str
    unpriced_reason: str | None
    expected_demand: float
    demand_low: float
    demand_high: float
    expected_revenue: float
    expected_profit: float
    previous_profit: float
    profit_change_mean: float
    profit_change_sd: float
    probability_better: float
    confidence: float
    explanation: dict[str, Any]


class DynamicPricingEngine:
    """Price products one at a time, with the arithmetic of the batch.

    Use it to try prices from a notebook or to answer a single question; for many SKUs use `GPUBatchProcessor`.

    Args:
        config: settings; None for the defaults.
        elasticities: product id to what was learned of its demand; others get the prior of the config.
        unit_costs: product id to unit cost, currency.

    Raises:
        ValueError: the config's device is not there; the message lists those that are.
    """

    def __init__(
        self,
        config: PricingConfig | None = None,
        *,
        elasticities: Mapping[str, ElasticityPosterior] | None = None,
        unit_costs: Mapping[str, Amount] | None = None,
    ) -> None:
        self.config = config or PricingConfig()
        self.elasticities = dict(elasticities or {})
        self.unit_costs = dict(unit_costs or {})
        self.device = resolve_device(self.config.device)

    def get_optimal_price(
        self,
        product_id: str,
        current_price: Amount,
        inventory_level: int | None,
        competitor_prices: Iterable[Amount] | Mapping[str, Amount] | None,
        demand_forecast: float | Iterable[float],
        *,
        unit_cost: Amount | None = None,
        guardrails: Guardrails | None = None,
    ) -> OptimalPrice:
        """Choose the best admissible price of one product.

        argmax over the admissible prices p of E[objective(p)], with E[Q(p)] = demand·exp(m·x + s²x²/2),
        x = ln(p/current_price), and sales limited by inventory.

        Args:
            product_id: whose elasticity and cost to use.
            current_price: price in force, currency, > 0.
            inventory_level: units in stock, ≥ 0; None for no limit.
            competitor_prices: competitors' prices, currency, or a mapping of competitor to price; those not above
                zero are ignored; None or empty for none.
            demand_forecast: units expected in the period at the current price, ≥ 0; several periods are summed.
            unit_cost: currency, in place of the engine's own; without either the product is not priced.
            guardrails: limits in place of the config's.

        Returns:
            The price with its expectations, the rule that decided it, and an explanation that replays.

        Raises:
            ValueError: an amount is no finite number, or outside its domain; the message names it and the cure.
        """
        posterior = self.elasticities.get(product_id, self.config.prior)
        limits = guardrails or self.config.guardrails
        cost = self.unit_costs.get(product_id) if unit_cost is None else unit_cost
        explanation: dict[str, Any] = {
            "objective": self.config.objective,
            "current_price_ticks": self._ticks("current_price", current_price),
            "cost_units": None if cost is None else self._ticks("unit_cost", cost, COST_UNITS_PER_TICK),
            "demand": _total(demand_forecast),
            "elasticity_mean": float(posterior.mean),
            "elasticity_sd": float(posterior.sd),
            "log_demand_sd": float(posterior.log_demand_sd),
            "inventory": None if inventory_level is None else int(inventory_level),
            "competitor_price_ticks": self._reference(competitor_prices),
            "guardrails": limits.as_dict(),
        }
        if explanation["current_price_ticks"] <= 0:
            raise ValueError(f"current_price: got {current_price}; give a price above zero")
        result = optimize_ticks(_single(explanation, limits), self.config.objective, device=self.device)
        return self._answer(product_id, result, explanation)

    def _ticks(self, name: str, amount: Amount, per_tick: int = 1) -> int:
        """Return an amount in minor units (times `per_tick`), half to even; parts of one, as costs have, up."""
        exact = Decimal(str(amount))
        if not exact.is_finite() or exact < 0:
            raise ValueError(f"{name}: got {amount}; give a finite amount, 0 or more")
        scaled = exact.scaleb(self.config.currency_exponent) * per_tick
        return int(scaled.to_integral_value(ROUND_HALF_EVEN if per_tick == 1 else ROUND_CEILING))

    def _reference(self, prices: Iterable[Amount] | Mapping[str, Amount] | None) -> int | None:
        listed = prices.values() if isinstance(prices, Mapping) else prices or ()
        usable = [amount for amount in map(str, listed) if Decimal(amount).is_finite() and Decimal(amount) > 0]
        ticks = [self._ticks("competitor_prices", amount) for amount in usable]
        if not ticks:
            return None
        return min(ticks) if self.config.competitor_reference == "lowest" else round(statistics.median(ticks))

    def _answer(self, product_id: str, result: PricingResult, explanation: dict[str, Any]) -> OptimalPrice:
        priced = result.unpriced[0] == 0
        ticks = int(result.price_ticks[0]) if priced else None
        stays = ticks == explanation["current_price_ticks"]
        minor = 10**self.config.currency_exponent
        better = float(result.probability_better[0])
        return OptimalPrice(
            product_id=product_id,
            price=None if ticks is None else self._decimal(ticks),
            previous_price=self._decimal(explanation["current_price_ticks"]),
            binding_rule=str(result.binding_rules()[0]),
            unpriced_reason=result.unpriced_reasons()[0],
            expected_demand=float(result.expected_demand[0]),
            demand_low=float(result.demand_low[0]),
            demand_high=float(result.demand_high[0]),
            expected_revenue=float(result.expected_revenue[0]) / minor,
            expected_profit=float(result.expected_profit[0]) / minor,
            previous_profit=float(result.previous_profit[0]) / minor,
            profit_change_mean=float(result.profit_change_mean[0]) / minor,
            profit_change_sd=float(result.profit_change_sd[0]) / minor,
            probability_better=better,
            confidence=1.0 if stays else better,
            explanation=explanation | {"price_ticks": ticks},
        )

    def _decimal(self, ticks: int) -> Decimal:
        return Decimal(ticks).scaleb(-self.config.currency_exponent)


def _total(forecast: float | Iterable[float]) -> float:
    total = math.fsum(forecast) if isinstance(forecast, Iterable) else float(forecast)
    if not math.isfinite(total) or total < 0:
        raise ValueError(f"demand_forecast: got {total}; give finite units, 0 or more")
    return total


def _single(explanation: Mapping[str, Any], limits: Guardrails) -> PricingInputs:
    return PricingInputs(
        current_ticks=int_column([explanation["current_price_ticks"]]),
        cost_units=int_column([explanation["cost_units"]]),
        demand=np.array([explanation["demand"]]),
        elasticity_mean=np.array([explanation["elasticity_mean"]]),
        elasticity_sd=np.array([explanation["elasticity_sd"]]),
        log_demand_sd=np.array([explanation["log_demand_sd"]]),
        inventory=int_column([explanation["inventory"]]),
        competitor_ticks=int_column([explanation["competitor_price_ticks"]]),
        guardrails=GuardrailBatch.from_rows([limits]),
    )
