"""Have a forecaster go live. Web processes load this file: it must not lead to the engine."""

from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Channel
from optimizer.models import DemandForecaster, ForecasterPromotion
from optimizer.models.forecast import MAX_REASON

Status = DemandForecaster.Status
Gate = ForecasterPromotion.Gate
OVERRULE: Final = "optimizer.add_forecasterpromotion"


class ForecasterStaysOut(ValueError):
    """The forecaster did not go live; the message says why, with the numbers, and names the cure."""


class MayNotOverrule(ForecasterStaysOut):
    """Nobody who may do so asked for the gate to be overruled."""


class NoReason(ForecasterStaysOut):
    """It is not said why, or at too great length."""


@transaction.atomic
def promote_forecaster(
    *, forecaster_id: int, now: datetime, author: User | None = None, reason: str = "", overrule: bool = False
) -> DemandForecaster:
    """Have a forecaster make its channel's forecasts from now on; the one that did so before is retired.

    It must have been judged against the one that is live now, and have passed. One that was live before may go live
    again at any time: that is the way back. One that the gate refused goes live only where ``overrule`` is asked for,
    with a reason, by a person who may overrule. One that is live already stays so. Each time that one goes live is
    recorded as a `ForecasterPromotion`. Two callers at once wait for each other.

    Raises:
        ForecasterStaysOut: no such forecaster; it was not judged, against another one, or did not pass.
        MayNotOverrule: the author may not overrule the gate, or there is none.
        NoReason: it is to be overruled without a reason, or the reason is too long.
    """
    channel = DemandForecaster.objects.filter(pk=forecaster_id).values_list("channel", flat=True).first()
    if channel is None:
        raise ForecasterStaysOut(f"no forecaster-{forecaster_id}: the admin and `GET forecasters` list those there are")
    Channel.objects.select_for_update(no_key=True).get(pk=channel)
    forecaster = DemandForecaster.objects.defer("artefact").get(pk=forecaster_id)
    if forecaster.status == Status.LIVE:
        return forecaster
    same = DemandForecaster.objects.filter(channel=channel, step=forecaster.step, status=Status.LIVE)
    live, reason = same.defer("artefact").first(), reason.strip()
    if len(reason) > MAX_REASON:
        raise NoReason(f"reason: got {len(reason)} characters; give {MAX_REASON} at most")
    gate = _gate(forecaster, live, author, reason, overrule)
    same.update(status=Status.RETIRED)
    forecaster.status, forecaster.promoted_at = Status.LIVE, now
    forecaster.save(update_fields=["status", "promoted_at"])
    ForecasterPromotion.objects.create(
        forecaster=forecaster, replaced=live, at=now, author=author, reason=reason, gate=gate
    )
    return forecaster


def _gate(
    forecaster: DemandForecaster, live: DemandForecaster | None, author: User | None, reason: str, overrule: bool
) -> str:
    """Return why it may go live."""
    if forecaster.status == Status.RETIRED:
        return Gate.RETURNED
    verdict = forecaster.verdict
    if not verdict or verdict["against"] != (None if live is None else live.pk):
        against = "any forecaster" if live is None else f"{live}, which is live"
        cure = f"run `manage.py evaluate_forecaster {forecaster.pk}`"
        raise ForecasterStaysOut(f"{forecaster} was not judged against {against}: {cure}")
    if verdict["passes"]:
        return Gate.PASSED
    if not overrule:
        cure = "a person who may can overrule that, with a reason"
        raise ForecasterStaysOut(f"{forecaster} stays out: {verdict['words']}; {cure}")
    if author is None or not author.is_active or not author.has_perm(OVERRULE):
        who = "nobody" if author is None else author.get_username()
        raise MayNotOverrule(f"{who} may not overrule the gate: it needs a person with the permission {OVERRULE}")
    if not reason:
        raise NoReason("reason: say why the gate is overruled")
    return Gate.OVERRULED
