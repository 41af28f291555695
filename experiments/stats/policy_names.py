"""The names of the bandit policies, for doors that offer a choice of them and need not load their mathematics."""

from typing import Final

POLICY_LABELS: Final[dict[str, str]] = {
    "demand_curve_bank": "bank of demand curves (default)",
    "beta_bernoulli": "Beta–Bernoulli Thompson sampling (the reference)",
    "discounted": "discounted: older outcomes weigh less",
    "sliding_window": "sliding window: only recent outcomes count",
    "change_point_restart": "change-point restart: forget what was before a change",
    "pooled_prior": "pooled prior: neighbouring prices and contexts teach each other",
    "hierarchical_logistic": "hierarchical logistic: demand falls along a curve",
}
DEFAULT_POLICY: Final = "demand_curve_bank"
REFERENCE_POLICY: Final = "beta_bernoulli"
