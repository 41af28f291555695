"""All bandit policies by the name under which they are chosen."""

from typing import Final

from experiments.stats.beta_bernoulli import BetaBernoulli
from experiments.stats.change_point import ChangePointRestart
from experiments.stats.demand_curve_bank import DemandCurveBank
from experiments.stats.discounted import Discounted
from experiments.stats.hierarchical_logistic import HierarchicalLogistic
from experiments.stats.policy import BanditPolicy
from experiments.stats.pooled_prior import PooledPrior
from experiments.stats.sliding_window import SlidingWindow

POLICIES: Final[dict[str, type[BanditPolicy]]] = {
    "demand_curve_bank": DemandCurveBank,
    "beta_bernoulli": BetaBernoulli,
    "discounted": Discounted,
    "sliding_window": SlidingWindow,
    "change_point_restart": ChangePointRestart,
    "pooled_prior": PooledPrior,
    "hierarchical_logistic": HierarchicalLogistic,
}
