"""The elasticity from price moves that had nothing to do with demand."""

from typing import Any, Final

import numpy as np
from linearmodels.iv import IV2SLS, IVGMM
from linearmodels.panel import PanelOLS
from linearmodels.panel.utility import AbsorbingEffectError

from ..pricing_arrays import Floats
from .panel import CausalPanel
from .results import CausalEstimate, Overidentification, normal_interval
from .weak import Scores, anderson_rubin_intervals, effective_f
from .within import within

WEAK_F: Final = 10.0
REJECTED: Final = 0.05


def two_stage_least_squares(panel: CausalPanel, *, probability: float = 0.95) -> CausalEstimate:
    """Estimate the own-price elasticity with instruments; products' and weeks' own effects are taken out.

    Standard errors are robust to clusters. Where the first stage is weak the warning says so; read `robust_intervals`.

    Use it where prices followed demand and something else moved them too: costs, or other regions' prices.

    Raises:
        ValueError: no instrument, or one that does not move within products and weeks; the message names it.

    Source: Wooldridge (2010), ch. 5 and 11, by linearmodels; Montiel Olea & Pflueger (2013); Anderson & Rubin (1949).
    """
    if not panel.instruments:
        raise ValueError("instruments: none is given; give what moves the price for reasons other than demand")
    outcome, price, controls, instruments = _columns(panel)
    model = IV2SLS(outcome, controls, price, instruments)
    found = model.fit(cov_type="clustered", clusters=panel.cluster)
    left = [_without(controls, column) for column in (outcome, price, instruments)]
    scores = Scores.of(left[0], left[1], left[2], panel.cluster)
    strength = effective_f(scores)
    over = _overidentification(panel, outcome, price, controls, instruments)
    elasticity, sd = float(found.params.iloc[-1]), float(found.std_errors.iloc[-1])
    return CausalEstimate(
        method="two-stage least squares",
        elasticity=elasticity,
        sd=sd,
        interval=normal_interval(elasticity, sd, probability),
        rows=len(panel),
        clusters=len(np.unique(panel.cluster)),
        effective_f=strength,
        robust_intervals=anderson_rubin_intervals(scores, probability),
        overidentification=over,
        warnings=_warnings(strength, over),
    )


def fixed_effects(panel: CausalPanel, *, probability: float = 0.95) -> CausalEstimate:
    """Estimate the own-price elasticity by least squares with products' and weeks' own effects taken out.

    It is causal only where prices within a product did not follow its demand. Standard errors are robust to clusters.

    Raises:
        ValueError: prices do not move within products and weeks.

    Source: Wooldridge (2010), section 10.5, by linearmodels.
    """
    import pandas as pd

    index = pd.MultiIndex.from_arrays([panel.entity, panel.week])
    columns = pd.DataFrame({**panel.controls, "log_price": panel.log_price}, index=index)
    model = PanelOLS(pd.Series(panel.log_units, index=index), columns, entity_effects=True, time_effects=True)
    clusters = pd.DataFrame({"cluster": panel.cluster}, index=index)
    try:
        found = model.fit(cov_type="clustered", clusters=clusters)
    except AbsorbingEffectError as error:
        raise ValueError("log_price: it does not move within products and weeks: nothing can be learned") from error
    elasticity, sd = float(found.params["log_price"]), float(found.std_errors["log_price"])
    return CausalEstimate(
        method="fixed effects",
        elasticity=elasticity,
        sd=sd,
        interval=normal_interval(elasticity, sd, probability),
        rows=len(panel),
        clusters=len(np.unique(panel.cluster)),
    )


def _columns(panel: CausalPanel) -> tuple[Floats, Floats, Floats | None, Floats]:
    """Return outcome, price, controls and instruments, with the effects of products and weeks taken out."""
    names = [*panel.controls, *panel.instruments]
    values = [panel.log_units, panel.log_price, *panel.controls.values(), *panel.instruments.values()]
    left = within(np.column_stack(values), panel.entity, panel.week)
    for name, column, before in zip(names, left[:, 2:].T, values[2:], strict=True):
        if column.std() <= 1e-9 * max(float(np.std(before)), 1e-300):
            raise ValueError(f"{name}: it does not move within products and weeks; leave it out")
    first = 2 + len(panel.controls)
    return left[:, 0], left[:, 1], left[:, 2:first] if panel.controls else None, left[:, first:]


def _without(controls: Floats | None, column: Floats) -> Floats:
    """Return a column, or columns, with what the controls explain taken out (Frisch, Waugh and Lovell)."""
    if controls is None:
        return column
    return np.asarray(column - controls @ np.linalg.lstsq(controls, column, rcond=None)[0], dtype=np.float64)


def _overidentification(panel: CausalPanel, *columns: Any) -> Overidentification | None:
    if len(panel.instruments) < 2:
        return None
    outcome, price, controls, instruments = columns
    model = IVGMM(outcome, controls, price, instruments, weight_type="clustered", clusters=panel.cluster)
    found: Any = model.fit(cov_type="clustered", clusters=panel.cluster)
    return Overidentification(
        statistic=float(found.j_stat.stat), freedom=len(panel.instruments) - 1, p_value=float(found.j_stat.pval)
    )


def _warnings(strength: float, over: Overidentification | None) -> tuple[str, ...]:
    weak = f"weak instruments: the effective F is {strength:.1f}, below {WEAK_F:.0f}; read the Anderson–Rubin intervals"
    said = [weak] if strength < WEAK_F else []
    if over is not None and over.p_value < REJECTED:
        said.append(
            f"the instruments contradict each other (Hansen's J, p = {over.p_value:.3f}): one moves demand itself"
        )
    return tuple(said)
