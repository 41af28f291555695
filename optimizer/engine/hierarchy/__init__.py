"""Demand of many series at once: coefficients that SKUs share strength for, with their uncertainty."""

from .config import USUAL_EFFECTS, Effect, HierarchyConfig
from .fit import fit_hierarchy
from .panel import SeriesPanel
from .results import HierarchicalFit, LevelEstimates
from .weekly import WeeklyDemandFit, fit_weekly_demand

__all__ = [
    "USUAL_EFFECTS",
    "Effect",
    "HierarchicalFit",
    "HierarchyConfig",
    "LevelEstimates",
    "SeriesPanel",
    "WeeklyDemandFit",
    "fit_hierarchy",
    "fit_weekly_demand",
]
