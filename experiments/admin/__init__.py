"""The bandit's admin pages."""

from experiments.admin import bandit, experiments, stream

__all__ = ["bandit", "experiments", "stream"]
