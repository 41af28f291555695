"""Judge a fit against the live one on weeks that neither has seen. Only workers and commands load this file."""

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from django.conf import settings

from optimizer.engine import DemandPanel
from optimizer.engine.pricing_arrays import Floats
from optimizer.engine.validation import Comparison, DemandLine, TooLittleToTry, calibration, compare, split_by_time
from optimizer.models import ElasticityEstimate, ElasticityFit
from optimizer.selectors.live_models import live_fit
from optimizer.services.channel_sales import ChannelSales, channel_sales
from optimizer.services.demand_methods import LearnedDemand, config_from_dict, learn_demand
from optimizer.services.validate_fit import HELD_OUT_WEEKS, validate_fit

LEAST_TRAINING_WEEKS: Final = 4
PROBABILITY: Final = 0.95
REFRESH_MARGIN: Final = 0.01
"""A refresh may be worse by this share of the live fit's error, on weeks that the live one knows by heart."""


def evaluate_fit(*, fit: ElasticityFit, now: datetime, sales: ChannelSales | None = None) -> ElasticityFit:
    """Judge a fit against the live one by price changes of the sales, read here where not given; store the verdict.

    *Another method or configuration* is judged on the channel's last four weeks: both learn again from the weeks before
    them; a live fit that is older is taken as it stands. It passes where it is better for 95 % of the draws of SKUs.

    *The same one with newer sales* is judged on the weeks that the live fit knows, both as they stand: sales that spoil
    it, such as units that a feed mixed up, show there. It is refused where it is worse by more than 1 % for 95 % of the
    draws. Weeks on promotion or that sold out are learned from, not judged by. Without a live fit the first one passes.

    Stored beside it, for people: which share of the last weeks lay in its intervals, whether its method finds the truth
    of simulated sales, and how it did beside simple methods (`validate_fit`). To the live fit the latter two are added
    where they are missing.

    Raises:
        NothingToLearnFrom: the channel has no sales.
    """
    live = live_fit(channel=fit.channel)
    if live is not None and live.pk == fit.pk:
        return _validated(fit, sales)
    sales = sales or channel_sales(channel=fit.channel)
    against, held_out = None if live is None else live.pk, _held_out(fit, sales)
    fit.verdict = {
        "at": now.isoformat(),
        "against": against,
        **_judge(fit, live, sales, held_out),
        **_calibration(held_out),
        **validate_fit(fit=fit, sales=sales),
    }
    fit.save(update_fields=["verdict"])
    return fit


def is_refresh(fit: ElasticityFit, live: ElasticityFit) -> bool:
    """Tell whether a fit has the live one's method and configuration, whatever the version of our code."""
    of_fit, of_live = ({**each.config, "version": None} for each in (fit, live))
    return (fit.method, of_fit) == (live.method, of_live)


def _validated(live: ElasticityFit, sales: ChannelSales | None) -> ElasticityFit:
    if not {"recovery", "backtest"} <= live.verdict.keys():
        sales = sales or channel_sales(channel=live.channel)
        live.verdict = {**live.verdict, **validate_fit(fit=live, sales=sales)}
        live.save(update_fields=["verdict"])
    return live


def _judge(
    fit: ElasticityFit, live: ElasticityFit | None, sales: ChannelSales, held_out: "_HeldOut | None"
) -> dict[str, Any]:
    if live is None:
        return {
            "passes": True,
            "words": "the first model of its channel",
            **_numbers(_on_held_out(None, sales, held_out)),
        }
    if fit.data_to < min(live.data_to, sales.last):
        words = f"it read sales to the week of {fit.data_to}, the live model to that of {live.data_to}"
        return {"passes": False, "words": words}
    refresh = is_refresh(fit, live)
    found = _on_known_weeks(fit, live, sales) if refresh else _on_held_out(live, sales, held_out)
    if found is None:
        words = "too few weeks, or no price changed in those to judge by: nothing tells it from the live model"
        return {"passes": refresh, "words": words}
    passes = found.high >= -REFRESH_MARGIN if refresh else found.low > 0
    return {"passes": passes, "words": _words(found, passes, refresh), **_numbers(found)}


@dataclass(frozen=True)
class _HeldOut:
    """Hold the weeks that are held out, those before them, and what the fit's method learns from those."""

    first: date
    train: DemandPanel
    held: DemandPanel
    learned: LearnedDemand


def _held_out(fit: ElasticityFit, sales: ChannelSales) -> _HeldOut | None:
    """Hold the last weeks out and learn from those before; None where those are too few."""
    first = sales.last_week - HELD_OUT_WEEKS + 1
    if first < LEAST_TRAINING_WEEKS:
        return None
    train, held = split_by_time(sales.panel, first)
    learned = _learned(fit, train, sales)
    return _HeldOut(sales.first + timedelta(weeks=first), train, held.usual_weeks(), learned)


def _on_held_out(live: ElasticityFit | None, sales: ChannelSales, weeks: _HeldOut | None) -> Comparison | None:
    if weeks is None:
        return None
    line = weeks.learned.line
    if live is None:  # then against prices that change nothing
        other = replace(line, elasticity=np.zeros(len(line.level)))
    elif live.data_to < weeks.first:
        other = replace(line, elasticity=_stored(live, sales))
    else:
        other = _learned(live, weeks.train, sales).line
    return _compared(line, other, weeks.held)


def _on_known_weeks(fit: ElasticityFit, live: ElasticityFit, sales: ChannelSales) -> Comparison | None:
    """Compare stored estimates on the weeks that the live fit has read, around each SKU's mean there."""
    weeks = (live.data_to - sales.first).days // 7 + 1
    known = split_by_time(sales.panel, weeks)[0].usual_weeks()
    count = np.maximum(np.bincount(known.sku, minlength=known.n_skus), 1)
    means = [np.bincount(known.sku, values, known.n_skus) / count for values in (known.log_price, known.log_units)]
    lines = [DemandLine(elasticity=_stored(each, sales), level=means[1], reference=means[0]) for each in (fit, live)]
    return _compared(lines[0], lines[1], known)


def _compared(line: DemandLine, other: DemandLine, rows: DemandPanel) -> Comparison | None:
    try:
        return compare(line, other, rows, probability=PROBABILITY)
    except TooLittleToTry:
        return None


def _calibration(weeks: _HeldOut | None) -> dict[str, Any]:
    """Return which share of the held-out weeks lay in the intervals of what was learned; {} where that is not known."""
    if weeks is None:
        return {}
    found = weeks.learned
    try:
        shares = calibration(
            found.line,
            weeks.held,
            elasticity_sd=found.elasticity_sd,
            level_sd=found.log_demand_sd,
            residual_sd=found.residual_sd,
        )
    except TooLittleToTry:
        return {}
    return {"calibration": {f"{asked:.0%}": share for asked, share in shares.items()}}


def _learned(fit: ElasticityFit, train: DemandPanel, sales: ChannelSales) -> LearnedDemand:
    config = config_from_dict(fit.method, fit.config, settings.PRICING_DEVICE)
    return learn_demand(train, sales.category, config)


def _stored(fit: ElasticityFit, sales: ChannelSales) -> Floats:
    stored = dict(ElasticityEstimate.objects.filter(fit=fit).values_list("listing_id", "mean"))
    return np.array([stored.get(listing, np.nan) for listing in sales.listing_ids])


def _numbers(found: Comparison | None) -> dict[str, Any]:
    return {} if found is None else {"comparison": asdict(found)}


def _words(found: Comparison, passes: bool, refresh: bool) -> str:
    side = "better" if found.improvement >= 0 else "worse"
    of_refresh = (f"worse by more than {REFRESH_MARGIN:.0%}", "not shown to be worse")
    shown = of_refresh if refresh else ("not better", "better")
    rows = "price changes that the live model knows" if refresh else "held-out price changes"
    return (
        f"its error of {found.rows:,} {rows}, of {found.skus:,} SKUs, is {found.error:.3f}, the live model's "
        f"{found.other_error:.3f}: {abs(found.improvement):.1%} {side}, between {found.low:+.1%} and "
        f"{found.high:+.1%}; {shown[passes]} for {PROBABILITY:.0%} of resampled SKUs"
    )
