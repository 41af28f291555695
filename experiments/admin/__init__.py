"""The admin pages of bandit and experiments."""

from experiments.admin import bandit, experiments, holdout, price_experiments, stream, units

__all__ = ["bandit", "experiments", "holdout", "price_experiments", "stream", "units"]
