"""How well a method predicts price changes, again and again as time goes on, beside simple methods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..demand_panel import DemandPanel
from ..pricing_arrays import Floats
from .price_changes import (
    Comparison,
    DemandLine,
    TooLittleToTry,
    changed_prices,
    compare_errors,
    price_change_errors,
    split_by_time,
)
from .simple_methods import simple_methods

METHOD: Final = "method"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Hold what was found where all weeks before ``week`` were known.

    Args:
        week: the first that was held out.
        rows: held-out price changes.
        errors: mean absolute error in ln units, of `method` and of the simple ones by name.
    """

    week: int
    rows: int
    errors: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """Hold the errors of each origin, the oldest first, and the method beside each simple one over all of them."""

    origins: tuple[Origin, ...]
    comparisons: dict[str, Comparison]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Hold the SKU of each held-out price change of an origin, and absolute errors by name, (row,) each."""

    sku: Ints
    errors: dict[str, Floats]


def backtest(
    panel: DemandPanel,
    learn: Callable[[DemandPanel], DemandLine],
    *,
    origins: int = 3,
    held_weeks: int = 4,
    least_weeks: int = 4,
    probability: float = 0.95,
    seed: int = 0,
) -> Backtest:
    """Learn from the weeks before an origin, predict those after it, and move the origin on.

    The last origins are taken, ``held_weeks`` apart, so no week is predicted twice; each learns from all weeks before.
    Weeks on promotion or that sold out are not predicted. Errors are those of `price_change_errors` at prices away from
    the training mean, of rows that all methods predict.
    Intervals are by bootstrap over SKUs, each with its rows of all origins.

    Args:
        panel: weekly sales.
        learn: the method.
        origins: how many at most.
        held_weeks: that are predicted from each.
        least_weeks: that an origin must have before it.
        probability: of each side of the intervals.
        seed: of the bootstrap.

    Raises:
        TooLittleToTry: too few weeks, or no price changed in those to predict; the message says what to give.

    Source: Tashman (2000), "Out-of-sample tests of forecasting accuracy" (rolling origin, recalibrated).
    """
    last, first = int(panel.week.max()), int(panel.week.min())
    starts = [last + 1 - held_weeks * step for step in range(origins, 0, -1)]
    starts = [start for start in starts if start - first >= least_weeks]
    of_origin = {start: _errors(panel, learn, start, held_weeks) for start in starts}
    found = {start: rows for start, rows in of_origin.items() if len(rows.sku)}
    if not found:
        weeks = least_weeks + held_weeks
        raise TooLittleToTry(
            f"nothing to predict: give {weeks} weeks or more, with prices that change in the last ones"
        )
    sku = np.concatenate([rows.sku for rows in found.values()])
    names = next(iter(found.values())).errors
    errors = {name: np.concatenate([rows.errors[name] for rows in found.values()]) for name in names}
    return Backtest(
        origins=tuple(
            Origin(
                week=start,
                rows=len(rows.sku),
                errors={name: float(each.mean()) for name, each in rows.errors.items()},
            )
            for start, rows in found.items()
        ),
        comparisons={
            name: compare_errors(errors[METHOD], each, sku, probability=probability, seed=seed)
            for name, each in errors.items()
            if name != METHOD
        },
    )


def _errors(panel: DemandPanel, learn: Callable[[DemandPanel], DemandLine], start: int, held_weeks: int) -> _Rows:
    train, after = split_by_time(panel, start)
    held = split_by_time(after, start + held_weeks)[0].usual_weeks()
    lines = {METHOD: learn(train), **simple_methods(train)}
    errors = {name: np.abs(price_change_errors(line, held)) for name, line in lines.items()}
    used = changed_prices(held, lines[METHOD].reference) & np.isfinite(list(errors.values())).all(0)
    return _Rows(held.sku[used], {name: each[used] for name, each in errors.items()})
