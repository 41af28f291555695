from optimizer.models.cross_elasticity import CrossElasticity
from optimizer.models.elasticity import ElasticityEstimate, ElasticityFit
from optimizer.models.features import ActivityIncrement, ActivityRecording, FeatureSnapshot
from optimizer.models.forecast import DemandForecast, DemandForecaster, ForecasterPromotion, ForecastStep
from optimizer.models.goals import GOAL_FIELDS, RunGoals
from optimizer.models.markdown import MarkdownPlan, MarkdownStep
from optimizer.models.policy import HorizonPolicy, ShadowDecision
from optimizer.models.run import OptimizationRun, Recommendation, RunChunk, RunLimits
from optimizer.models.schedule import RunSchedule
from optimizer.models.simulation import Simulation
from optimizer.models.training import TrainingJob

__all__ = [
    "GOAL_FIELDS",
    "ActivityIncrement",
    "ActivityRecording",
    "CrossElasticity",
    "DemandForecast",
    "DemandForecaster",
    "ElasticityEstimate",
    "ElasticityFit",
    "FeatureSnapshot",
    "ForecastStep",
    "ForecasterPromotion",
    "HorizonPolicy",
    "MarkdownPlan",
    "MarkdownStep",
    "OptimizationRun",
    "Recommendation",
    "RunChunk",
    "RunGoals",
    "RunLimits",
    "RunSchedule",
    "ShadowDecision",
    "Simulation",
    "TrainingJob",
]
