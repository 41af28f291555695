"""Try a fit's method where the truth is known, and as time goes on. Only workers and commands load this file."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

import numpy as np
from django.conf import settings

from catalog.guardrails import Ints
from optimizer.engine import DemandPanel
from optimizer.engine.threads import one_thread
from optimizer.engine.validation import (
    Backtest,
    ElasticityPosterior,
    Recovered,
    Recovery,
    TooLittleToTry,
    backtest,
    recover,
)
from optimizer.models import ElasticityFit
from optimizer.services.channel_sales import ChannelSales
from optimizer.services.demand_methods import Config, config_from_dict, learn_demand

HELD_OUT_WEEKS: Final = 4
ORIGINS: Final = 3
RECOVERY_SKUS, BACKTEST_SKUS, POINTS = 2_000, 20_000, 300
"""At most. Of the demo's 3,401 SKUs both tries together take 0.6 s independent, 0.9 s hierarchical, on 2 cores; beside
busy processes twice as much."""

SEED: Final = 0


def validate_fit(*, fit: ElasticityFit, sales: ChannelSales) -> dict[str, Any]:
    """Return `recovery` and `backtest` of a fit's method and configuration, JSON-able; None: not to be tried."""
    config = config_from_dict(fit.method, fit.config, settings.PRICING_DEVICE)
    return {**_recovery(config, sales), **_backtest(config, sales)}


def _recovery(config: Config, sales: ChannelSales) -> dict[str, Any]:
    def learn(panel: DemandPanel, chosen: Ints) -> ElasticityPosterior:
        found = learn_demand(panel, sales.category[chosen], config)
        return ElasticityPosterior(mean=found.elasticity_mean, sd=found.elasticity_sd)

    belief = learn_demand(sales.panel, sales.category, config).belief
    try:
        with one_thread():
            found = recover(belief, sales.panel, learn, skus=RECOVERY_SKUS, points=POINTS, seed=SEED)
    except TooLittleToTry:
        return {"recovery": None}
    return {"recovery": _recovery_as_dict(found)}


def _backtest(config: Config, sales: ChannelSales) -> dict[str, Any]:
    rng, count = np.random.default_rng(SEED), sales.panel.n_skus
    chosen = np.sort(rng.choice(count, min(count, BACKTEST_SKUS), replace=False))
    category = sales.category[chosen]
    try:
        with one_thread():
            found = backtest(
                sales.panel.of(chosen),
                lambda train: learn_demand(train, category, config).line,
                origins=ORIGINS,
                held_weeks=HELD_OUT_WEEKS,
                seed=SEED,
            )
    except TooLittleToTry:
        return {"backtest": None}
    return {"backtest": _backtest_as_dict(found, sales)}


def _recovery_as_dict(found: Recovery) -> dict[str, Any]:
    return {
        "whole": _recovered_as_dict(found.whole),
        "thirds": [_recovered_as_dict(third) for third in found.thirds],
        "points": found.points.round(3).tolist(),
    }


def _recovered_as_dict(found: Recovered) -> dict[str, Any]:
    return asdict(found) | {"coverage": {f"{asked:.0%}": held for asked, held in found.coverage.items()}}


def _backtest_as_dict(found: Backtest, sales: ChannelSales) -> dict[str, Any]:
    return {
        "held_weeks": HELD_OUT_WEEKS,
        "origins": [
            {"from": str(sales.first + timedelta(weeks=origin.week)), "rows": origin.rows, "errors": origin.errors}
            for origin in found.origins
        ],
        "comparisons": {name: asdict(each) for name, each in found.comparisons.items()},
    }
