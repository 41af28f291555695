"""Train a policy over a horizon for a channel, and judge it. Only workers and commands load this file."""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.conf import settings

from optimizer.engine.horizon import draw_problems
from optimizer.engine.q_learning import (
    DqnConfig,
    OfflineConfig,
    Progress,
    from_bytes,
    score_policies,
    to_bytes,
    train_dqn,
    train_offline,
)
from optimizer.models import HorizonPolicy, TrainingJob
from optimizer.services.horizon_ranges import horizon_ranges
from optimizer.services.plan_transitions import plan_transitions

JUDGED_ON: Final = 200
"""Problems: 1.5 s of the exact programme, and the standard error of a mean share of 99 % is below 0.1 %."""

MOST_STATES: Final = 500_000
"""Of the exact programme, for each problem on average: 4 MB, the largest stocks and horizons of a channel's ranges."""

JUDGING_STREAM: Final = 2
"""Of the random numbers: training draws from the streams 0 and 1 of its seed."""


def learn_policy(
    *, job: TrainingJob, now: datetime, progress: Callable[[str], object] = lambda words: None
) -> HorizonPolicy:
    """Train for as long as the job asks and store the network, once: the job names it."""
    config = DqnConfig(
        max_seconds=60 * job.asked["minutes"],
        seed=job.asked["seed"],
        device=settings.PRICING_DEVICE,
        ranges=horizon_ranges(channel=job.channel),
    )

    def report(reached: Progress) -> None:
        progress(f"{reached.share:.2%} of the optimum, {reached.updates:,} updates")

    trained = train_dqn(config, report)
    return HorizonPolicy.objects.create(
        channel=job.channel,
        job=job,
        config=asdict(config),
        artefact=to_bytes(trained.network, config),
        device=next(trained.network.parameters()).device.type,
        seconds=trained.seconds,
        updates=trained.updates,
        created_at=now,
        created_by=job.created_by,
    )


def learn_policy_offline(*, job: TrainingJob, now: datetime) -> HorizonPolicy:
    """Learn from what the channel's markdown plans decided alone, and store the network, once: the job names it.

    Raises:
        NothingToLearnFrom: too few decisions.
    """
    log = plan_transitions(channel=job.channel)
    config = OfflineConfig(seed=job.asked["seed"], device=settings.PRICING_DEVICE)
    made_as = DqnConfig(
        seed=config.seed, hidden=config.hidden, device=config.device, ranges=horizon_ranges(channel=job.channel)
    )
    started = time.monotonic()
    network = train_offline(log.transitions, config)
    learned_from = {"decisions": len(log.transitions.action), "left_out": log.left_out}
    return HorizonPolicy.objects.create(
        channel=job.channel,
        job=job,
        config=asdict(made_as) | {"offline": asdict(config) | learned_from},
        artefact=to_bytes(network, made_as),
        device=next(network.parameters()).device.type,
        seconds=time.monotonic() - started,
        updates=config.updates,
        created_at=now,
        created_by=job.created_by,
    )


def policy_scores(*, policy: HorizonPolicy, problems: int, seed: int) -> dict[str, Any]:
    """Return shares of the exact optimum by five steps, of the policy and of simple ones, on problems drawn anew."""
    network, config = from_bytes(bytes(policy.artefact))
    drawn = draw_problems(problems, np.random.default_rng([seed, JUDGING_STREAM]), config.ranges)
    found = score_policies(network, drawn, max_states=MOST_STATES * problems)
    shares = {name: asdict(score) for name, score in found.scores.items()}
    return {"problems": found.problems, "seed": seed, "policies": shares}
