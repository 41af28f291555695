from experiments.models.bandit import BanditArm, BanditContext, DemandIntensity, IntensityPolicy, PricingDecision
from experiments.models.stream import DeadLetter, OutboxMessage, StreamOffset

__all__ = [
    "BanditArm",
    "BanditContext",
    "DeadLetter",
    "DemandIntensity",
    "IntensityPolicy",
    "OutboxMessage",
    "PricingDecision",
    "StreamOffset",
]
