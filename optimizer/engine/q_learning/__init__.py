"""A Deep Q-Network that prices over a horizon, judged by the exact optimum.

A package of its own, so that who only needs problems and exact solutions does not load torch. The mathematics are in
docs/math.md.
"""

from .artefact import from_bytes, to_bytes
from .config import DqnConfig
from .greedy import first_rungs, greedy_policy
from .network import QNetwork
from .offline import OfflineConfig, train_offline
from .scores import PolicyScores, Score, score_policies
from .training import Progress, TrainedNetwork, train_dqn
from .transitions import Transitions, log_of_play

__all__ = [
    "DqnConfig",
    "OfflineConfig",
    "PolicyScores",
    "Progress",
    "QNetwork",
    "Score",
    "TrainedNetwork",
    "Transitions",
    "first_rungs",
    "from_bytes",
    "greedy_policy",
    "log_of_play",
    "score_policies",
    "to_bytes",
    "train_dqn",
    "train_offline",
]
