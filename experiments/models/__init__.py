from experiments.models.bandit import (
    ArmCount,
    BanditArm,
    BanditContext,
    ChoiceSet,
    DemandIntensity,
    ExpiryMark,
    IntensityPolicy,
    PricingDecision,
)
from experiments.models.bandit_experiment import BanditExperiment, Challenger
from experiments.models.stream import DeadLetter, OutboxBatch, StreamOffset

__all__ = [
    "ArmCount",
    "BanditArm",
    "BanditContext",
    "BanditExperiment",
    "Challenger",
    "ChoiceSet",
    "DeadLetter",
    "DemandIntensity",
    "ExpiryMark",
    "IntensityPolicy",
    "OutboxBatch",
    "PricingDecision",
    "StreamOffset",
]
