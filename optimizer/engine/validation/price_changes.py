"""How well elasticities predict what a price change does, on weeks that they have not seen."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..demand_panel import DemandPanel
from ..pricing_arrays import Floats

LEAST_CHANGE: Final = 0.05
"""Prices nearer to the training mean than this, in logs, say nothing about an elasticity."""

LEAST_ROWS_A_WEEK: Final = 5


class TooLittleToTry(ValueError):
    """A method cannot be tried on these sales; the message says what to give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandLine:
    """Hold what is predicted of each SKU: ln units = level + elasticity·(ln p − reference), (sku,) float64 each."""

    elasticity: Floats
    level: Floats
    reference: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Hold by how much one prediction is better than another.

    Args:
        error, other_error: mean absolute errors, in ln units.
        improvement: 1 − error/other_error; negative where it is worse.
        low, high: interval of the improvement over SKUs, of the probability asked for on each side.
        rows, skus: what it rests on.
    """

    error: float
    other_error: float
    improvement: float
    low: float
    high: float
    rows: int
    skus: int


def split_by_time(panel: DemandPanel, week: int) -> tuple[DemandPanel, DemandPanel]:
    """Return the weeks before ``week``, and those from it on; SKUs keep their numbers."""
    return panel.of_rows(panel.week < week), panel.of_rows(panel.week >= week)


def changed_prices(held: DemandPanel, reference: Floats) -> NDArray[np.bool_]:
    """Tell which held-out rows have a price away from the training mean, of SKUs that have one, (row,)."""
    away = np.abs(held.log_price - reference[held.sku])
    return np.asarray(away >= LEAST_CHANGE)


def price_change_errors(line: DemandLine, held: DemandPanel) -> Floats:
    """Return held-out ln units less what is predicted, and less what all SKUs share in the week, (row,).

    What a week was for the whole shop no elasticity can know: its median error is taken out. Rows of SKUs that were not
    predicted (level NaN) are NaN, and so are weeks of fewer than five rows: their median is one of the errors.
    """
    predicted = line.level[held.sku] + line.elasticity[held.sku] * (held.log_price - line.reference[held.sku])
    error = held.log_units - predicted
    for week in np.unique(held.week):
        here = held.week == week
        known = np.isfinite(error[here]).sum()
        error[here] -= np.nanmedian(error[here]) if known >= LEAST_ROWS_A_WEEK else np.nan
    return np.asarray(error)


def compare(
    line: DemandLine,
    other: DemandLine,
    held: DemandPanel,
    *,
    probability: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
) -> Comparison:
    """Compare two predictions on the held-out price changes that both predict.

    The interval is by bootstrap over SKUs, whose weeks are related.

    Raises:
        TooLittleToTry: no held-out price is away from the training mean, or too few rows.

    Source: Efron & Tibshirani (1993), ch. 13 (percentile interval).
    """
    errors = [np.abs(price_change_errors(each, held)) for each in (line, other)]
    used = changed_prices(held, other.reference) & np.isfinite(errors[0]) & np.isfinite(errors[1])
    if not used.any():
        raise TooLittleToTry(f"no held-out price is {LEAST_CHANGE:.0%} or more from its mean: hold more weeks out")
    ours, others = (each[used] for each in errors)
    return compare_errors(ours, others, held.sku[used], probability=probability, draws=draws, seed=seed)


def compare_errors(
    errors: Floats, other_errors: Floats, sku: Ints, *, probability: float = 0.95, draws: int = 2_000, seed: int = 0
) -> Comparison:
    """Compare absolute errors of two predictions of the same rows, (row,) each, as `compare` does.

    Raises:
        TooLittleToTry: one of them has no error at all.
    """
    skus, place = np.unique(sku, return_inverse=True)
    sums: Floats = np.stack([np.bincount(place, each) for each in (errors, other_errors)]).astype(np.float64)
    if not (sums.sum(1) > 0).all():
        raise TooLittleToTry("a prediction has no error at all: hold more weeks out")
    drawn = _resampled(sums, draws, seed)
    improvements = 1 - drawn[0] / np.maximum(drawn[1], 1e-12)
    low, high = np.quantile(improvements, [1 - probability, probability])
    rows, (error, other_error) = len(sku), sums.sum(1)
    return Comparison(
        error=float(error / rows),
        other_error=float(other_error / rows),
        improvement=float(1 - error / other_error),
        low=float(low),
        high=float(high),
        rows=rows,
        skus=len(skus),
    )


def _resampled(sums: Floats, draws: int, seed: int) -> Floats:
    """Return (2, draw) sums over SKUs drawn with replacement."""
    rng, skus = np.random.default_rng(seed), sums.shape[1]
    return np.stack([sums @ np.bincount(rng.integers(0, skus, skus), minlength=skus) for _ in range(draws)], axis=1)
