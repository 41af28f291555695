"""Gather a run's recommendations and render the report page."""

import math
from collections import Counter
from typing import Any

from django.template.loader import render_to_string

from catalog.admin.reasons import decision_in_words
from catalog.plain_words import refusal_words
from optimizer.models import ElasticityEstimate, ElasticityFit, OptimizationRun, Recommendation
from optimizer.report import figures
from optimizer.selectors.model_validation import SHORT_WORDS, shares, validation_words

CURVES = 6
ROWS = 60


def render_report(*, run: OptimizationRun) -> str:
    """Return the page of a finished run as self-contained HTML."""
    rows = list(
        Recommendation.objects.filter(run=run).select_related("listing__product__category").order_by("listing_id")
    )
    refused = {Recommendation.Outcome.UNPRICED, Recommendation.Outcome.REFUSED}
    priced = [row for row in rows if row.outcome not in refused]
    unpriced = [row for row in rows if row.outcome in refused]
    estimates = {estimate.listing_id: estimate for estimate in ElasticityEstimate.objects.filter(fit=run.fit)}
    return render_to_string(
        "optimizer/report.html",
        {
            "run": run,
            "fit": run.fit,
            "channel": run.channel,
            "numbers": run.guard_numbers,
            "profit_shift_percent": 100 * run.guard_numbers["profit_shift"],
            "revenue_shift_percent": 100 * run.guard_numbers["revenue_shift"],
            "plots": _plots(run, priced, estimates),
            "trust": validation_words(run.fit.verdict),
            "gains": [_table_row(run, row, estimates) for row in _largest_gains(priced)[:ROWS]],
            "unpriced": _by_reason(unpriced),
            "assumed": _assumed_share(rows),
        },
    )


def _plots(
    run: OptimizationRun, priced: list[Recommendation], estimates: dict[int, ElasticityEstimate]
) -> dict[str, str]:
    known = list(estimates.values())
    return {
        "changes": figures.price_change_histogram([_change(row) for row in priced]),
        "rules": figures.binding_rule_bars(Counter(row.binding_rule for row in priced)),
        "elasticities": figures.elasticity_posteriors(
            [estimate.mean for estimate in known],
            [estimate.sd for estimate in known],
            [estimate.informed for estimate in known],
            *_prior(run.fit),
        ),
        "trust": _trust(run.fit.verdict),
        "curves": figures.demand_curves(
            [_curve(row, estimates[row.listing_id]) for row in _curve_examples(priced, estimates)], run.channel.currency
        ),
    }


def _prior(fit: ElasticityFit) -> tuple[float, float]:
    """Return mean and sd of the elasticity of a SKU without sales: as given, or as learned from the whole shop."""
    if fit.method != ElasticityFit.Method.HIERARCHICAL:
        return fit.config["elasticity_mean"], fit.config["elasticity_sd"]
    learned = fit.diagnostics
    parts = ("shop_elasticity_sd", "spread_of_categories", "spread_of_skus")
    return learned["shop_elasticity"], math.hypot(*(learned[part] for part in parts))


def _trust(verdict: dict[str, Any]) -> str:
    """Plot what was found where the fit was tried; empty where it was not."""
    recovery = verdict.get("recovery")
    found = {
        "weeks not seen": verdict.get("calibration"),
        "true elasticities": recovery and recovery["whole"]["coverage"],
    }
    comparisons = (verdict.get("backtest") or {}).get("comparisons", {})
    if not (comparisons or any(found.values())):
        return ""
    return figures.model_trust(
        {name: shares(each) for name, each in found.items() if each},
        {
            words: (each["improvement"], each["low"], each["high"])
            for name, words in SHORT_WORDS.items()
            if (each := comparisons.get(name))
        },
        recovery["points"] if recovery else [],
    )


def _change(row: Recommendation) -> float:
    return float(row.price / row.previous_price) - 1 if row.price else 0.0


def _largest_gains(priced: list[Recommendation]) -> list[Recommendation]:
    return sorted(priced, key=lambda row: row.profit_change_mean or 0.0, reverse=True)


def _curve_examples(priced: list[Recommendation], estimates: dict[int, ElasticityEstimate]) -> list[Recommendation]:
    """Pick well-known SKUs: half the largest gains by raising, half by lowering the price."""
    told = [row for row in _largest_gains(priced) if estimates[row.listing_id].informed]
    raised, lowered = ([row for row in told if _change(row) * sign > 0] for sign in (1, -1))
    half = CURVES // 2
    chosen = raised[:half] + lowered[:half]
    return (chosen + [row for row in told if row not in chosen])[:CURVES]


def _curve(row: Recommendation, estimate: ElasticityEstimate) -> figures.DemandCurve:
    inputs = row.explanation["inputs"]
    product = row.listing.product
    return figures.DemandCurve(
        title=f"{product.sku} {product.name[:26].title()}\ne = {estimate.mean:.2f} ± {estimate.sd:.2f}",
        current_price=float(row.previous_price),
        new_price=float(row.price or row.previous_price),
        unit_cost=float(inputs["unit_cost"]["value"]),
        demand=inputs["demand"]["value"],
        elasticity_mean=estimate.mean,
        elasticity_sd=estimate.sd,
        log_demand_sd=estimate.log_demand_sd,
    )


def _table_row(run: OptimizationRun, row: Recommendation, estimates: dict[int, ElasticityEstimate]) -> dict[str, Any]:
    return {
        "row": row,
        "product": row.listing.product,
        "change": 100 * _change(row),
        "estimate": estimates[row.listing_id],
        "why": decision_in_words(
            row.explanation,
            price=row.price or row.previous_price,
            previous=row.previous_price,
            rule=row.binding_rule,
            channel=run.channel,
        ),
        "better": 100 * (row.probability_better or 0.0),
    }


def _by_reason(unpriced: list[Recommendation]) -> dict[str, list[Any]]:
    reasons: dict[str, list[Any]] = {}
    for row in unpriced:
        reasons.setdefault(refusal_words(row.outcome_reason), []).append(row.listing.product)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))


def _assumed_share(rows: list[Recommendation]) -> dict[str, int]:
    return {
        "cost": sum(row.listing.unit_cost_assumed and row.listing.unit_cost is not None for row in rows),
        "inventory": sum(row.listing.inventory_assumed for row in rows),
        "total": len(rows),
    }
