from experiments.models.bandit import (
    BanditArm,
    BanditContext,
    ChoiceSet,
    DemandIntensity,
    IntensityPolicy,
    PricingDecision,
)
from experiments.models.stream import DeadLetter, OutboxMessage, StreamOffset

__all__ = [
    "BanditArm",
    "BanditContext",
    "ChoiceSet",
    "DeadLetter",
    "DemandIntensity",
    "IntensityPolicy",
    "OutboxMessage",
    "PricingDecision",
    "StreamOffset",
]
