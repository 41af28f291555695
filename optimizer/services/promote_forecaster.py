"""Have a forecaster go live that was shown to be good. It must not lead to the engine."""

from datetime import datetime

from django.db import transaction

from catalog.models import Channel
from optimizer.models import DemandForecaster

Status = DemandForecaster.Status


class ForecasterStaysOut(ValueError):
    """The forecaster did not go live; the message says why, with the numbers."""


@transaction.atomic
def promote_forecaster(*, forecaster_id: int, now: datetime) -> DemandForecaster:
    """Have a forecaster make its channel's forecasts from now on; the one that did so before is retired.

    It must have been judged against the one that is live now, and have passed. One that is live already stays so. Two
    callers at once wait for each other.

    Raises:
        ForecasterStaysOut: it was not judged, against another one, or did not pass.
    """
    channel = DemandForecaster.objects.values_list("channel", flat=True).get(pk=forecaster_id)
    Channel.objects.select_for_update(no_key=True).get(pk=channel)
    forecaster = DemandForecaster.objects.defer("artefact").get(pk=forecaster_id)
    if forecaster.status == Status.LIVE:
        return forecaster
    same = DemandForecaster.objects.filter(channel=channel, step=forecaster.step, status=Status.LIVE)
    live = same.defer("artefact").first()
    _require_passed(forecaster, live)
    same.update(status=Status.RETIRED)
    forecaster.status, forecaster.promoted_at = Status.LIVE, now
    forecaster.save(update_fields=["status", "promoted_at"])
    return forecaster


def _require_passed(forecaster: DemandForecaster, live: DemandForecaster | None) -> None:
    verdict = forecaster.verdict
    if not verdict or verdict["against"] != (None if live is None else live.pk):
        against = "any forecaster" if live is None else f"{live}, which is live"
        raise ForecasterStaysOut(f"{forecaster} was not judged against {against}: train one anew")
    if not verdict["passes"]:
        raise ForecasterStaysOut(f"{forecaster} stays out: {verdict['words']}")
