"""Ask for something to be learned. Web processes load this file: it must not lead to the engine."""

from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User

from catalog.models import Channel, DailySales, WeeklySales
from catalog.sku_week_file import SkuWeeks
from optimizer.models import ElasticityFit, ForecastStep, TrainingJob
from optimizer.selectors.causal_estimates import newest_belief

MOST_VALUES = 4_000_000
"""What one JSON value of Postgres holds well: a million rows of two instruments."""


NETWORKS: Final = ("transformer", "lstm")
DEFAULT_MINUTES: Final = 8.0
MOST_MINUTES: Final = 120
MOST_SEED: Final = 2**31 - 1


class CannotTrain(ValueError):
    """What was asked for cannot be learned; ``field`` names what was wrong, the message the cure."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def open_fit(
    *,
    channel: Channel,
    now: datetime,
    method: str | None = None,
    causal_prior: bool = False,
    author: User | None = None,
) -> TrainingJob:
    """Ask for the channel's elasticities to be learned, judged, and to go live if they pass.

    Without a method the live model's is used, with its configuration; with one its usual configuration.
    ``causal_prior`` begins with the newest causal estimate as the belief about the whole channel, which the
    hierarchical method can.

    Raises:
        CannotTrain: no sales; a causal prior for another method, or none is there that can be believed.
    """
    _require_sales(channel)
    asked: dict[str, Any] = {"method": method}
    if causal_prior:
        if method != ElasticityFit.Method.HIERARCHICAL:
            raise CannotTrain("method", "only the hierarchical method begins with a causal estimate: ask for it")
        belief = newest_belief(channel=channel)
        if belief is None:
            raise CannotTrain("causal_prior", _no_belief(channel))
        asked["prior"] = belief
    return _opened(channel, TrainingJob.Kind.FIT, asked, now, author)


def open_causal(
    *,
    channel: Channel,
    now: datetime,
    instruments: SkuWeeks | None = None,
    other_channels: bool = False,
    author: User | None = None,
) -> TrainingJob:
    """Ask for the channel's elasticity as a cause, by fixed effects and, with instruments, two-stage least squares.

    Raises:
        CannotTrain: no sales, or too many rows of instruments.
    """
    _require_sales(channel)
    asked: dict[str, Any] = {"other_channels": other_channels}
    if instruments is not None:
        most = MOST_VALUES // (2 + len(instruments.names))
        if len(instruments.values) > most:
            words = f"{len(instruments.values):,} rows; give {most:,} at most: a sample of SKUs serves as well"
            raise CannotTrain("instruments", words)
        rows = [[sku, week.isoformat(), *numbers] for (sku, week), numbers in instruments.values.items()]
        asked["instruments"] = {"names": list(instruments.names), "count": len(rows), "rows": rows}
    return _opened(channel, TrainingJob.Kind.CAUSAL, asked, now, author)


def open_cross(*, channel: Channel, now: datetime, author: User | None = None) -> TrainingJob:
    """Ask which products of each category take sales from each other, and how many.

    Raises:
        CannotTrain: no sales.
    """
    _require_sales(channel)
    return _opened(channel, TrainingJob.Kind.CROSS, {}, now, author)


def open_policy(
    *,
    channel: Channel,
    now: datetime,
    minutes: float = 10.0,
    seed: int = 0,
    offline: bool = False,
    author: User | None = None,
) -> TrainingJob:
    """Ask for a policy that prices a finite stock over a horizon, learned from problems like the channel's.

    With ``offline`` it is learned from what the channel's markdown plans decided and nothing else; the time has then no
    limit, as the number of updates is fixed.

    Raises:
        CannotTrain: minutes or a seed out of range.
    """
    _require_time_and_seed(minutes, seed)
    asked = {"minutes": minutes, "seed": seed} | ({"offline": True} if offline else {})
    return _opened(channel, TrainingJob.Kind.POLICY, asked, now, author)


def open_forecaster(
    *,
    channel: Channel,
    now: datetime,
    step: str = ForecastStep.DAY,
    network: str = NETWORKS[0],
    minutes: float = DEFAULT_MINUTES,
    seed: int = 0,
    author: User | None = None,
) -> TrainingJob:
    """Ask for a forecaster of the channel's demand to be learned, judged, go live if it passes, and forecast.

    Args:
        step: a day or a week, of `ForecastStep`.
        network: one of `NETWORKS`.
        minutes: the most that its network may learn for.
        seed: of everything random in it.

    Raises:
        CannotTrain: no such step or network, no sales of that step, or minutes or a seed out of range.
    """
    if step not in ForecastStep.values:
        raise CannotTrain("step", f"no step {step!r}: choose {' or '.join(ForecastStep.values)}")
    if network not in NETWORKS:
        raise CannotTrain("network", f"no network {network!r}: choose {' or '.join(NETWORKS)}")
    _require_time_and_seed(minutes, seed)
    _require_sales(channel)
    if step == ForecastStep.DAY and not DailySales.objects.filter(listing__channel=channel).exists():
        words = "has sales of weeks only: run `manage.py import_sales` again with its files, the oldest first"
        raise CannotTrain("step", f"channel {channel.code!r} {words}; or forecast by week")
    asked = {"step": str(step), "network": network, "minutes": minutes, "seed": seed}
    return _opened(channel, TrainingJob.Kind.FORECAST, asked, now, author)


def _opened(channel: Channel, kind: str, asked: dict[str, Any], now: datetime, author: User | None) -> TrainingJob:
    return TrainingJob.objects.create(channel=channel, kind=kind, asked=asked, created_at=now, created_by=author)


def _require_time_and_seed(minutes: float, seed: int) -> None:
    if not 0 < minutes <= MOST_MINUTES:
        raise CannotTrain("minutes", f"got {minutes}: give more than 0 and at most {MOST_MINUTES}")
    if not 0 <= seed <= MOST_SEED:
        raise CannotTrain("seed", f"got {seed}: give a whole number from 0 to {MOST_SEED}")


def _require_sales(channel: Channel) -> None:
    if not WeeklySales.objects.filter(listing__channel=channel).exists():
        raise CannotTrain("channel", f"channel {channel.code!r} has no sales: run `manage.py import_sales` first")


def _no_belief(channel: Channel) -> str:
    return (
        f"channel {channel.code!r} has no causal estimate by instruments that nothing speaks against: "
        "run `manage.py estimate_causal` with instruments first"
    )


def busy_words(job: TrainingJob) -> str:
    """Say why a job that was just opened is not done."""
    if job.status == TrainingJob.Status.RUNNING:
        return f"a worker is doing {job} already: its page and GET training-jobs/{job.pk} say how far it is"
    return f"another training job of channel {job.channel.code!r} is under way: a worker does {job} after it"
