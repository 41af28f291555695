from experiments.models.bandit import (
    BanditArm,
    BanditContext,
    ChoiceSet,
    DemandIntensity,
    IntensityPolicy,
    PricingDecision,
)
from experiments.models.stream import DeadLetter, OutboxBatch, StreamOffset

__all__ = [
    "BanditArm",
    "BanditContext",
    "ChoiceSet",
    "DeadLetter",
    "DemandIntensity",
    "IntensityPolicy",
    "OutboxBatch",
    "PricingDecision",
    "StreamOffset",
]
