"""Judge a forecaster on the steps that it did not learn from. Only workers and commands load this file."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from optimizer.engine.forecasting import (
    ALL,
    SEGMENTS,
    SERVED,
    BacktestReport,
    Forecaster,
    boosting_is_installed,
    from_bytes,
    judge,
)
from optimizer.forecaster_gate import gate_verdict
from optimizer.models import DemandForecaster, ForecastStep
from optimizer.selectors.forecasts import live_forecaster
from optimizer.services.forecast_panel import ChannelPanel, forecast_panel
from optimizer.services.held_out_steps import held_out_steps


class CannotJudge(ValueError):
    """The forecaster cannot be judged any more; the message says why, and names the cure."""


def judge_forecaster(*, forecaster_id: int, now: datetime, found: ChannelPanel | None = None) -> DemandForecaster:
    """Judge a candidate by the gate of `optimizer.forecaster_gate`, and store scores and verdict.

    One that is or was live is left as it is. The channel's sales are read where ``found`` does not give them. Judged
    again, its verdict is replaced: that is how one is judged against a forecaster that went live after it.

    Raises:
        CannotJudge: this release cannot read it, or the sales do not hold its held-out steps.
        NothingToLearnFrom: the channel has no sales of its step.
    """
    forecaster = DemandForecaster.objects.select_related("channel").get(pk=forecaster_id)
    if forecaster.status != DemandForecaster.Status.CANDIDATE:
        return forecaster
    found = found or forecast_panel(channel=forecaster.channel, step=forecaster.step)
    made, origin = _loaded(forecaster), _origin(forecaster, found)
    report = judge(found.panel, [made], [origin])
    live = live_forecaster(channel=forecaster.channel, step=forecaster.step)
    forecaster.scores = _scores(report, found) | {"held_out": held_out_steps(made, found, origin, forecaster.step)}
    verdict = gate_verdict(
        forecaster.scores["rows"],
        loss_of_live=None if live is None else _loss_of_live(live, found, origin),
        live=str(live),
    )
    forecaster.verdict = {"at": now.isoformat(), "against": None if live is None else live.pk, **asdict(verdict)}
    forecaster.save(update_fields=["scores", "verdict"])
    return forecaster


def _loaded(forecaster: DemandForecaster) -> Forecaster:
    try:
        return from_bytes(bytes(forecaster.artefact))
    except ValueError as error:
        raise CannotJudge(f"{forecaster}: {error}") from error


def _origin(forecaster: DemandForecaster, found: ChannelPanel) -> int:
    """Return the first of its held-out steps."""
    origin = (forecaster.held_out_from - found.first).days // ForecastStep(forecaster.step).days
    if not 0 < origin <= found.panel.time - forecaster.config["horizon"]:
        words = f"the channel's sales do not hold the steps from {forecaster.held_out_from} on, by which it is judged"
        raise CannotJudge(f"{forecaster}: {words}: train one anew with `manage.py train_forecaster`")
    return origin


def _scores(report: BacktestReport, found: ChannelPanel) -> dict[str, Any]:
    without = "" if boosting_is_installed() else "LightGBM was left out: install the extra `forecast` to have it beside"
    return {
        "rows": [asdict(score) for score in report.scores],
        "serves": dict(zip(SEGMENTS, report.winners[0], strict=True)),
        "series": len(found.listing_ids),
        "note": without,
    }


def _loss_of_live(live: DemandForecaster, found: ChannelPanel, origin: int) -> float | None:
    """Return the live one's loss on the same steps; None where this release cannot read it any more."""
    try:
        made = from_bytes(bytes(live.artefact))
        return judge(found.panel, [made], [origin]).score(ALL, SERVED).wql
    except ValueError:
        return None
