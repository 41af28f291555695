"""The elasticity where much else moves with the price: double machine learning."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from econml.dml import LinearDML
from sklearn.model_selection import GroupKFold

from ..pricing_arrays import Floats
from .panel import CausalPanel
from .results import CausalEstimate, normal_interval
from .within import within

FOLDS: Final = 5
NOT_CLUSTERED: Final = (
    "its standard error takes the weeks of a product as unrelated: it is too small where they are not"
)


def double_machine_learning(
    panel: CausalPanel,
    *,
    nuisance: Callable[[], Any],
    by: dict[str, Floats] | None = None,
    probability: float = 0.95,
    seed: int = 0,
) -> tuple[CausalEstimate, dict[str, tuple[float, float]]]:
    """Estimate the own-price elasticity with controls of any shape, and how it depends on features of the products.

    Price and units are predicted from the controls by models of the caller's choice, on other folds than they are used
    on (of other clusters, too); the elasticity is the slope between what both leave. Products' and weeks' own effects
    are taken out before. Standard errors are robust to unequal variances, not to relations within clusters.

    Args:
        panel: with at least one control.
        nuisance: makes a regressor in scikit-learn's manner, such as ``partial(RandomForestRegressor, max_depth=5)``.
        by: features (row,) that the elasticity may depend on; the estimate is then at their means.
        probability: of the interval.
        seed: of the folds.

    Returns:
        The estimate, and by feature (change of the elasticity a unit of it, standard error).

    Raises:
        ValueError: no control.

    Source: Chernozhukov et al. (2018), by econml's LinearDML.
    """
    if not panel.controls:
        raise ValueError("controls: none is given; without them use `fixed_effects`")
    left = within(
        np.column_stack([panel.log_units, panel.log_price, *panel.controls.values()]), panel.entity, panel.week
    )
    features = None if not by else np.column_stack([values - values.mean() for values in by.values()])
    folds = list(GroupKFold(FOLDS, shuffle=True, random_state=seed).split(left, groups=panel.cluster))
    model = LinearDML(model_y=nuisance(), model_t=nuisance(), cv=folds, random_state=seed)
    model.fit(left[:, 0], left[:, 1], X=features, W=left[:, 2:], inference="statsmodels")
    elasticity = float(np.ravel(model.intercept_)[0])
    sd = float(np.ravel(model.intercept__inference().stderr)[0])
    slopes = {}
    if by:
        errors = np.ravel(model.coef__inference().stderr)
        slopes = {name: (float(s), float(e)) for name, s, e in zip(by, np.ravel(model.coef_), errors, strict=True)}
    estimate = CausalEstimate(
        method="double machine learning",
        elasticity=elasticity,
        sd=sd,
        interval=normal_interval(elasticity, sd, probability),
        rows=len(panel),
        clusters=len(panel),
        warnings=() if len(np.unique(panel.cluster)) == len(panel) else (NOT_CLUSTERED,),
    )
    return estimate, slopes
