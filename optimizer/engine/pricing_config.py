"""What a `DynamicPricingEngine` is set up with."""

from dataclasses import dataclass, field
from typing import Literal

from catalog.guardrails import Guardrails

from .ticks import DEFAULT_BATCH_SIZE

CompetitorReference = Literal["median", "lowest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticityPosterior:
    """Hold what is known about one product's demand.

    Args:
        mean: signed own-price elasticity.
        sd: its standard deviation, ≥ 0.
        log_demand_sd: standard deviation of the log of the demand forecast, ≥ 0.
    """

    mean: float = -1.5
    sd: float = 0.5
    log_demand_sd: float = 0.0


PRIOR = ElasticityPosterior()
"""Before any sale is seen: e ~ Normal(−1.5, 0.5²)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingConfig:
    """Hold an engine's settings; the defaults are those of the pricing rules.

    Args:
        objective: `profit`, `revenue`, `market_share`, or another registered one.
        guardrails: limits for every product; `get_optimal_price` may be given others.
        prior: demand of a product of which nothing was learned.
        competitor_reference: how several competitor prices become one: their median, or the lowest.
        currency_exponent: decimals of the currency (2 for EUR, 0 for JPY).
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        batch_size: SKUs on the device at a time.
    """

    objective: str = "profit"
    guardrails: Guardrails = field(default_factory=Guardrails)
    prior: ElasticityPosterior = PRIOR
    competitor_reference: CompetitorReference = "median"
    currency_exponent: int = 2
    device: str = "auto"
    batch_size: int = DEFAULT_BATCH_SIZE
