"""Have a fit go live that was shown to be good. Web processes load this file: it must not lead to the engine."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Channel
from optimizer.models import ElasticityFit
from optimizer.selectors.live_models import live_fit


class NotPromoted(ValueError):
    """The fit did not go live; the message says why, with the numbers, and names the cure."""


@transaction.atomic
def promote_fit(*, fit_id: int, author: User | None, now: datetime) -> ElasticityFit:
    """Have a fit go live: runs from now on price with it. One that is live already stays so.

    It must have been judged (`evaluate_model`) against the fit that is live now, and have passed. One that was live
    before may go live again at any time: that is the way back from a model that turns out wrong. Two callers at once
    wait for each other.

    Raises:
        NotPromoted: no such fit; it was not judged, against another one, or did not pass.
    """
    fit = ElasticityFit.objects.filter(pk=fit_id).first()
    if fit is None:
        raise NotPromoted(f"no model elasticity-{fit_id}: the admin and `GET models` list those that there are")
    Channel.objects.select_for_update(no_key=True).get(pk=fit.channel_id)
    live = live_fit(channel=fit.channel)
    if live is not None and live.pk == fit.pk:
        return live
    fit.refresh_from_db()
    if fit.promoted_at is None:
        _require_passed(fit, live)
    fit.promoted_at = now if live is None or live.promoted_at is None else max(now, live.promoted_at)
    fit.promoted_by = author
    fit.save(update_fields=["promoted_at", "promoted_by"])
    return fit


def _require_passed(fit: ElasticityFit, live: ElasticityFit | None) -> None:
    if not fit.verdict or fit.verdict["against"] != (None if live is None else live.pk):
        against = "any model" if live is None else f"{live}, which is live"
        raise NotPromoted(f"{fit} was not judged against {against}: run `manage.py evaluate_model {fit.pk}`")
    if not fit.verdict["passes"]:
        raise NotPromoted(f"{fit} stays out: {fit.verdict['words']}")
