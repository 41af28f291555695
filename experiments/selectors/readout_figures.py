"""A read-out as plain figures: what the API answers, an entry keeps and a file holds. What is not known is null."""

import math
from typing import Any

from experiments.models import ExperimentArm
from experiments.selectors.readouts import ArmReadout, ExperimentReadout
from experiments.stats.inference import GuardrailResult, Readout


def figures_of(found: ExperimentReadout) -> dict[str, Any]:
    """Return everything that a read-out says. Effects are the arm's metric less the control's, a unit."""
    experiment = found.experiment
    return {
        "experiment": experiment.code,
        "name": experiment.name,
        "status": experiment.status,
        "design": experiment.design,
        "metric": experiment.metric,
        "method": experiment.method,
        "currency": experiment.channel.currency,
        "read_at": found.at.isoformat(),
        "until": found.until.isoformat() if found.until else None,
        "day": found.day,
        "horizon_days": experiment.horizon_days,
        "sentence": found.sentence,
        "decision": found.decision,
        "leading_arm": found.leading.arm.name if found.leading else None,
        "remaining_days": _finite(found.leading.primary.remaining_days) if found.leading else None,
        "crossovers": found.crossovers,
        "without_cost": found.without_cost,
        "days_not_served": found.days_not_served,
        "srm": _srm(found),
        "arms": [_arm(found, arm) for arm in found.all_arms],
        "comparisons": [_comparison(each) for each in found.arms],
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _srm(found: ExperimentReadout) -> dict[str, Any] | None:
    srm = found.leading.primary.srm if found.leading else None
    if srm is None:
        return None
    return {
        "counts": list(srm.counts),
        "expected_shares": list(srm.expected_shares),
        "p_value": _finite(srm.p_value),
        "chi_square_p_value": _finite(srm.chi_square_p_value),
        "mismatch": srm.mismatch,
    }


def _arm(found: ExperimentReadout, arm: ExperimentArm) -> dict[str, Any]:
    sums = found.totals.get(arm.pk)
    return {
        "arm": arm.name,
        "share": arm.share / 10_000,
        "price_change": float(arm.price_change),
        "units": sums.count if sums else 0,
        "exposures": sums.exposures if sums else 0,
        "total": float(sums.moments.sum_y) if sums else 0.0,
    }


def _comparison(each: ArmReadout) -> dict[str, Any]:
    return {
        "arm": each.arm.name,
        "decision": each.primary.decision,
        "metrics": [_metric(metric, readout, each.corrected.get(metric)) for metric, readout in each.by_metric.items()],
        "guardrails": [_guardrail(rail) for rail in each.primary.guardrails],
    }


def _metric(metric: str, readout: Readout, corrected: float | None) -> dict[str, Any]:
    names = (
        "n", "effect", "low", "high", "relative_effect", "relative_low", "relative_high", "control_mean",
        "treatment_mean", "p_value", "probability_to_beat", "expected_loss", "variance_reduction", "horizon_share",
        "adjusted_effect", "adjusted_low", "adjusted_high",
    )  # fmt: skip
    naive = readout.naive
    return {
        "metric": metric,
        **{name: _finite(getattr(readout, name)) for name in names},
        "corrected_p_value": _finite(corrected),
        "decided_day": readout.decided_day,
        "valid_when_peeked": readout.valid_when_peeked,
        "naive": {
            **{name: _finite(getattr(naive, name)) for name in ("effect", "low", "high", "p_value")},
            "significant": naive.significant,
            "ever_significant": naive.ever_significant,
            "first_significant_day": naive.first_significant_day,
        },
        "sequence": [
            {"day": look.day, **{name: _finite(getattr(look, name)) for name in ("n", "effect", "low", "high")}}
            for look in readout.looks
        ],
    }


def _guardrail(rail: GuardrailResult) -> dict[str, Any]:
    return {
        "metric": rail.name,
        "breached": rail.breached,
        "harm": _finite(rail.harm[-1]) if rail.harm else None,
        "least_harm": _finite(rail.least_harm[-1]) if rail.least_harm else None,
    }
