"""Learn to forecast a channel's demand. Only workers and commands load this file."""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from optimizer.engine import resolve_device
from optimizer.engine.forecasting import ForecasterConfig, to_bytes, train_forecaster, weekly_config
from optimizer.models import DemandForecaster, ForecastStep, TrainingJob
from optimizer.services.channel_sales import NothingToLearnFrom
from optimizer.services.forecast_panel import ChannelPanel, forecast_panel

Told = Callable[[str, float], object]
"""Is told which work is done and which share of it, 0 to 1."""


def learn_forecaster(
    *,
    job: TrainingJob,
    now: datetime,
    found: ChannelPanel | None = None,
    progress: Told = lambda work, share: None,
) -> DemandForecaster:
    """Train the forecaster that a job asks for and store it as a candidate; once a job, however often it is begun.

    The last horizon of the channel's sales is held out: it is not learned from, and `judge_forecaster` judges by it.
    The sales are read where ``found`` does not give them; ``progress`` is told of each work and its share done.

    Raises:
        NothingToLearnFrom: no sales of that step, or too little history.
    """
    if known := DemandForecaster.objects.defer("artefact").filter(job=job).first():
        return known
    step, config = ForecastStep(job.asked["step"]), _config(job.asked)
    found = found or forecast_panel(channel=job.channel, step=step)
    origin = found.panel.time - config.horizon
    started = time.monotonic()
    try:
        made = train_forecaster(found.panel.until(max(origin, 1), 0), config, _by_the_clock(config, progress))
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


def _by_the_clock(config: ForecasterConfig, progress: Told) -> Callable[[str, float], None]:
    """Return a progress that knows of the network's time limit: it may end it long before its last step."""
    began = time.monotonic()

    def tell(work: str, share: float) -> None:
        spent = (time.monotonic() - began) / config.max_seconds if work == config.network else 0.0
        progress(work, min(max(share, spent), 1.0))

    return tell


def _config(asked: dict[str, Any]) -> ForecasterConfig:
    given = {
        "network": asked["network"],
        "max_seconds": 60.0 * asked["minutes"],
        "seed": asked["seed"],
        "device": settings.PRICING_DEVICE,
    }
    return weekly_config(**given) if asked["step"] == ForecastStep.WEEK else ForecasterConfig(**given)
