"""Judge a fit against the live one on weeks that neither has seen. Only workers and commands load this file."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from django.conf import settings

from optimizer.engine.pricing_arrays import Floats
from optimizer.engine.validation import Comparison, DemandLine, compare, split_by_time
from optimizer.models import ElasticityEstimate, ElasticityFit
from optimizer.selectors.live_models import live_fit
from optimizer.services.channel_sales import ChannelSales, channel_sales
from optimizer.services.demand_methods import config_from_dict, learn_demand

HELD_OUT_WEEKS: Final = 4
LEAST_TRAINING_WEEKS: Final = 4
PROBABILITY: Final = 0.95


def evaluate_fit(*, fit: ElasticityFit, now: datetime) -> ElasticityFit:
    """Judge a fit by the price changes of the channel's last four weeks, and store the verdict with it.

    The fit's method and configuration learn from the weeks before them, and so do the live fit's; a live fit that is
    older than them is taken as it stands. Another method or configuration passes where it is better, as far as 95 % of
    the resampled SKUs say; the same one, which only has newer sales, where it is not worse for as many. Without a live
    fit the first one passes.

    Raises:
        NothingToLearnFrom: the channel has no sales.
    """
    live = live_fit(channel=fit.channel)
    if live is not None and live.pk == fit.pk:
        return fit
    fit.verdict = {"at": now.isoformat(), "against": None if live is None else live.pk, **_judge(fit, live)}
    fit.save(update_fields=["verdict"])
    return fit


def _judge(fit: ElasticityFit, live: ElasticityFit | None) -> dict[str, Any]:
    if live is not None and fit.data_to < live.data_to:
        words = f"it read sales to the week of {fit.data_to}, the live model to that of {live.data_to}"
        return {"passes": False, "words": words}
    sales = channel_sales(channel=fit.channel)
    is_refresh = live is not None and (fit.method, fit.config) == (live.method, live.config)
    found = _comparison(fit, live, sales)
    if live is None:
        return {"passes": True, "words": "the first model of its channel", **_numbers(found)}
    if found is None:
        words = "too few weeks, or no held-out price changed: nothing tells it from the live model"
        return {"passes": is_refresh, "words": words}
    passes = found.high >= 0 if is_refresh else found.low > 0
    return {"passes": passes, "words": _words(found, passes, is_refresh), **_numbers(found)}


def _comparison(fit: ElasticityFit, live: ElasticityFit | None, sales: ChannelSales) -> Comparison | None:
    first_held = sales.last_week - HELD_OUT_WEEKS + 1
    if first_held < LEAST_TRAINING_WEEKS:
        return None
    train, held = split_by_time(sales.panel, first_held)
    line = _line(fit, train, sales)
    try:
        return compare(line, _line_of_live(live, train, sales, first_held, line), held, probability=PROBABILITY)
    except ValueError:
        return None


def _line(fit: ElasticityFit, train: Any, sales: ChannelSales) -> DemandLine:
    config = config_from_dict(fit.method, fit.config, settings.PRICING_DEVICE)
    return learn_demand(train, sales.category, config).line


def _line_of_live(
    live: ElasticityFit | None, train: Any, sales: ChannelSales, first_held: int, line: DemandLine
) -> DemandLine:
    """Return what the live fit predicts; without one, that prices change nothing."""
    if live is None:
        return DemandLine(elasticity=np.zeros(len(line.level)), level=line.level, reference=line.reference)
    if live.data_to < sales.first + timedelta(weeks=first_held):
        return DemandLine(elasticity=_stored(live, sales), level=line.level, reference=line.reference)
    return _line(live, train, sales)


def _stored(fit: ElasticityFit, sales: ChannelSales) -> Floats:
    stored = dict(ElasticityEstimate.objects.filter(fit=fit).values_list("listing_id", "mean"))
    return np.array([stored.get(listing, np.nan) for listing in sales.listing_ids])


def _numbers(found: Comparison | None) -> dict[str, Any]:
    return {} if found is None else {"comparison": asdict(found)}


def _words(found: Comparison, passes: bool, is_refresh: bool) -> str:
    side = "better" if found.improvement >= 0 else "worse"
    shown = ("worse", "not worse") if is_refresh else ("not better", "better")
    return (
        f"its error of {found.rows:,} held-out price changes of {found.skus:,} SKUs is {found.error:.3f}, the live "
        f"model's {found.other_error:.3f}: {abs(found.improvement):.1%} {side}, between {found.low:+.1%} and "
        f"{found.high:+.1%}; {shown[passes]} for {PROBABILITY:.0%} of resampled SKUs"
    )
