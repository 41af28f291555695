"""Learn a channel's demand anew and have it go live if it passes. Only workers and commands load this file."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User

from catalog.models import Channel
from optimizer.models import ElasticityFit
from optimizer.models.training import JUDGING, LEARNING, PROMOTING
from optimizer.selectors.live_models import live_fit
from optimizer.services.channel_sales import channel_sales
from optimizer.services.demand_methods import Config, config_from_dict
from optimizer.services.evaluate_fit import evaluate_fit
from optimizer.services.fit_elasticities import fit_channel
from optimizer.services.promote_fit import NotPromoted, promote_fit


def train_model(
    *,
    channel: Channel,
    now: datetime,
    method: str | None = None,
    config: Config | None = None,
    author: User | None = None,
    at: Callable[[str], object] = lambda step: None,
) -> tuple[ElasticityFit, NotPromoted | None]:
    """Fit, judge and promote; return the fit, and why it did not go live where it did not.

    Without a method the live one's is used, with its configuration; with one its usual configuration, if none is given.
    Each step is done once for the same sales: killed in between, the next call goes on. ``at`` is told each step of
    `optimizer.models.training.STEPS` before it begins.

    Raises:
        NothingToLearnFrom: the channel has no sales.
    """
    live = live_fit(channel=channel)
    if config is None and live is not None and method is None:
        method, config = live.method, config_from_dict(live.method, live.config, settings.PRICING_DEVICE)
    method = method or ElasticityFit.Method.HIERARCHICAL
    at(LEARNING)
    sales = channel_sales(channel=channel)
    fit = fit_channel(channel=channel, now=now, method=method, config=config, author=author, sales=sales)
    at(JUDGING)
    fit = evaluate_fit(fit=fit, now=now, sales=sales)
    at(PROMOTING)
    try:
        return promote_fit(fit_id=fit.pk, author=author, now=now), None
    except NotPromoted as refusal:
        return fit, refusal
