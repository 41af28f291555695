"""Learn to forecast a channel's demand, and judge what was learned. Only workers and commands load this file."""

import time
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from optimizer.engine import resolve_device
from optimizer.engine.forecasting import (
    ALL,
    BOOSTING,
    NAIVE,
    SEGMENTS,
    SERVED,
    BacktestReport,
    ForecasterConfig,
    boosting_is_installed,
    from_bytes,
    judge,
    to_bytes,
    train_forecaster,
    weekly_config,
)
from optimizer.forecast_words import method_words
from optimizer.models import DemandForecaster, ForecastStep, TrainingJob
from optimizer.selectors.forecasts import live_forecaster
from optimizer.services.channel_sales import NothingToLearnFrom
from optimizer.services.forecast_panel import ChannelPanel, forecast_panel

BASELINES: Final = (NAIVE, BOOSTING)
WORSE_BY: Final = 0.02
"""Up to so much worse than the live one counts as even: four weeks tell no finer."""

LEAST_COVERAGE, MOST_COVERAGE = 0.75, 0.85
"""Between which the share of held-out steps within the 80 % intervals must lie."""


def learn_forecaster(*, job: TrainingJob, now: datetime) -> DemandForecaster:
    """Train the forecaster that a job asks for and store it as a candidate; once a job, however often it is begun.

    The last horizon of the channel's sales is held out: it is not learned from, and `judge_forecaster` judges by it.

    Raises:
        NothingToLearnFrom: no sales of that step, or too little history.
    """
    if known := DemandForecaster.objects.defer("artefact").filter(job=job).first():
        return known
    step = ForecastStep(job.asked["step"])
    found, config = forecast_panel(channel=job.channel, step=step), _config(job.asked)
    origin = found.panel.time - config.horizon
    started = time.monotonic()
    try:
        made = train_forecaster(found.panel.until(max(origin, 1), 0), config)
    except ValueError as error:
        words = "beside the last four weeks, which are held out: import more sales"
        raise NothingToLearnFrom(f"too little history by {step}: {error}, {words}") from error
    return DemandForecaster.objects.create(
        channel=job.channel,
        job=job,
        step=step,
        config=asdict(config),
        artefact=to_bytes(made),
        levels=list(config.levels),
        seed=config.seed,
        data_from=found.first,
        data_to=found.start - timedelta(days=1),
        held_out_from=found.first + timedelta(days=origin * step.days),
        trained_at=now,
        seconds=time.monotonic() - started,
        device=str(resolve_device(config.device).search),
    )


def judge_forecaster(*, job: TrainingJob, now: datetime) -> DemandForecaster:
    """Judge a job's forecaster on the steps that it did not learn from, and store scores and verdict.

    It passes where its weighted quantile loss is no larger than that of the best simple method and at most 2 % larger
    than that of the live one, and 75 to 85 % of the steps lie in its 80 % intervals. One that is or was live is left as
    it is.
    """
    forecaster = DemandForecaster.objects.select_related("channel").get(job=job)
    if forecaster.status != DemandForecaster.Status.CANDIDATE:
        return forecaster
    found = forecast_panel(channel=forecaster.channel, step=forecaster.step)
    origin = (forecaster.held_out_from - found.first).days // ForecastStep(forecaster.step).days
    report = judge(found.panel, [from_bytes(bytes(forecaster.artefact))], [origin])
    live = live_forecaster(channel=forecaster.channel, step=forecaster.step)
    forecaster.scores = _scores(report, found)
    forecaster.verdict = {
        "at": now.isoformat(),
        "against": None if live is None else live.pk,
        **_verdict(report, None if live is None else _loss_of_live(live, found, origin), str(live)),
    }
    forecaster.save(update_fields=["scores", "verdict"])
    return forecaster


def _config(asked: dict[str, Any]) -> ForecasterConfig:
    given = {
        "network": asked["network"],
        "max_seconds": 60.0 * asked["minutes"],
        "seed": asked["seed"],
        "device": settings.PRICING_DEVICE,
    }
    return weekly_config(**given) if asked["step"] == ForecastStep.WEEK else ForecasterConfig(**given)


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


def _verdict(report: BacktestReport, of_live: float | None, live: str) -> dict[str, Any]:
    served = report.score(ALL, SERVED)
    tried = {score.method: score.wql for score in report.scores if score.segment == ALL and score.method in BASELINES}
    best = min(tried, key=lambda name: tried[name])
    words = [
        f"its loss of {served.wql:.3f} is {_than(served.wql, tried[best])} that of {method_words(best)}, the best of "
        "the simple methods",
        f"{100 * served.coverage:.0f} % of the held-out steps lay in its 80 % intervals",
    ]
    against = [] if served.wql <= tried[best] else ["it must not be larger"]
    if not LEAST_COVERAGE <= served.coverage <= MOST_COVERAGE:
        against.append(f"{100 * LEAST_COVERAGE:.0f} to {100 * MOST_COVERAGE:.0f} % must")
    if of_live is not None:
        words.append(f"the loss is {_than(served.wql, of_live)} that of {live}, which was live")
        if served.wql > of_live * (1 + WORSE_BY):
            against.append(f"at most {100 * WORSE_BY:.0f} % more is let pass")
    return {"passes": not against, "words": "; ".join([*words, *against])}


def _than(loss: float, other: float) -> str:
    change = loss / other - 1 if other else 0.0
    return f"{100 * abs(change):.1f} % {'above' if change > 0 else 'below'}"
