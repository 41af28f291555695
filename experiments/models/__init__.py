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
from experiments.models.experiment_facts import (
    ArmDay,
    ExperimentEvent,
    ExperimentUnit,
    ReadoutEntry,
    UnitDay,
    UnitState,
)
from experiments.models.holdout import HoldoutListing, HoldoutPolicy
from experiments.models.price_experiment import ExperimentArm, ExperimentLayer, GuardrailMetric, PriceExperiment
from experiments.models.stream import DeadLetter, OutboxBatch, StreamOffset

__all__ = [
    "ArmCount",
    "ArmDay",
    "BanditArm",
    "BanditContext",
    "BanditExperiment",
    "Challenger",
    "ChoiceSet",
    "DeadLetter",
    "DemandIntensity",
    "ExperimentArm",
    "ExperimentEvent",
    "ExperimentLayer",
    "ExperimentUnit",
    "ExpiryMark",
    "GuardrailMetric",
    "HoldoutListing",
    "HoldoutPolicy",
    "IntensityPolicy",
    "OutboxBatch",
    "PriceExperiment",
    "PricingDecision",
    "ReadoutEntry",
    "StreamOffset",
    "UnitDay",
    "UnitState",
]
