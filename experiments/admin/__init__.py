"""The admin pages of bandit and experiments."""

from experiments.admin import bandit, experiment_layers, experiments, holdout, price_experiments, stream, units

__all__ = ["bandit", "experiment_layers", "experiments", "holdout", "price_experiments", "stream", "units"]
