"""What is believed of a category before its sales are seen."""

from dataclasses import dataclass
from typing import Final

from ..hierarchy import USUAL_EFFECTS, Effect

SPIKE: Final = 0.03
"""Standard deviation of an effect between products that have nothing to do with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossPriceConfig:
    """Hold what is believed before the sales are seen.

    Args:
        own: each product's own-price elasticity; a hierarchical fit of the shop says it better than a default.
        substitutes: share of pairs that are believed to be substitutes, worth ten pairs; learned.
        effect, effect_mean_sd: mean cross effect of substitutes, symmetric, and how sure that is; learned.
        effect_sd: its standard deviation between pairs.
    """

    own: Effect = USUAL_EFFECTS["log_price"]
    substitutes: float = 0.1
    effect: float = 0.3
    effect_mean_sd: float = 0.2
    effect_sd: float = 0.15

    def __post_init__(self) -> None:
        if not (0 < self.substitutes < 1 and self.effect_sd > SPIKE and self.effect_mean_sd > 0):
            raise ValueError(f"substitutes must be in (0, 1), effect_sd above {SPIKE}, effect_mean_sd above 0")
