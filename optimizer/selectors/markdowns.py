"""What a markdown plan would do from here. Numpy only: the web previews plans with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import F, QuerySet
from django.utils import timezone

from catalog.guardrails import BASIS, MISSING, Rule, int_column, violations_batch
from catalog.models import Channel, Listing
from catalog.money import from_ticks, to_ticks
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts
from optimizer.markdown import (
    UNLIMITED,
    MarkdownForecast,
    MarkdownPolicy,
    MarkdownProblem,
    forecast_markdowns,
    price_ladder,
    solve_markdowns,
)
from optimizer.models import ElasticityEstimate, MarkdownPlan, MarkdownStep
from optimizer.selectors.live_models import live_fit

DAYS_IN_WEEK = 7


@dataclass(frozen=True)
class PlannedMarkdown:
    """What a plan decides now, or why it decides nothing; money in the channel's currency."""

    plan: MarkdownPlan
    listing: Listing
    reason: str = ""
    price: Decimal | None = None
    binding_rule: str = ""
    inputs: dict[str, Any] | None = None
    forecast: dict[str, list[float]] | None = None
    value: float | None = None
    value_keeping_price: float | None = None
    meets_target: float | None = None
    replay: dict[str, Any] | None = None


def planned_markdowns(*, channel: Channel, plans: Sequence[MarkdownPlan], now: datetime) -> dict[int, PlannedMarkdown]:
    """Solve plans of one channel from today's stock, cost and estimate; by listing id. At most one plan a listing."""
    by_listing = {plan.listing_id: plan for plan in plans}
    listings = Listing.objects.filter(pk__in=by_listing).select_related("product", "channel").order_by("pk")
    facts = pricing_facts(channel=channel, listings=listings, now=now)
    estimates = _estimates(channel, list(by_listing))
    today = timezone.localdate(now)
    reasons = [_unplannable(row, estimates.get(row.pk)) for row in facts.listings]
    found = {
        row.pk: PlannedMarkdown(by_listing[row.pk], row, reason)
        for row, reason in zip(facts.listings, reasons, strict=True)
        if reason
    }
    rows = [index for index, reason in enumerate(reasons) if not reason]
    if rows:
        found |= _solve(facts, rows, by_listing, estimates, today)
    return found


def _estimates(channel: Channel, listing_ids: list[int]) -> dict[int, ElasticityEstimate]:
    fit = live_fit(channel=channel)
    found = ElasticityEstimate.objects.filter(fit=fit, listing__in=listing_ids).select_related("fit")
    return {estimate.listing_id: estimate for estimate in found}


def _unplannable(listing: Listing, estimate: ElasticityEstimate | None) -> str:
    if not listing.product.is_active:
        return "inactive"
    if not listing.unit_cost:
        return "missing_cost"
    if listing.inventory is None:
        return "missing_stock"
    return "" if estimate is not None and estimate.base_demand > 0 else "no_demand"


def _solve(
    facts: PricingFacts[Listing],
    rows: list[int],
    by_listing: dict[int, MarkdownPlan],
    estimates: dict[int, ElasticityEstimate],
    today: date,
) -> dict[int, PlannedMarkdown]:
    listings = [facts.listings[row] for row in rows]
    plans = [by_listing[listing.pk] for listing in listings]
    ladder, floor = _ladder(facts, rows, plans)
    known = [estimates[listing.pk] for listing in listings]
    problem = _problem(facts, rows, plans, known, ladder, today)
    policy = solve_markdowns(problem)
    forecast = forecast_markdowns(problem, policy)
    keeping = problem.keeping_the_price()
    kept = forecast_markdowns(keeping, solve_markdowns(keeping))
    solved = _Solved(facts, problem, policy, forecast, kept)
    return {
        listing.pk: _planned(solved, index, rows[index], plans[index], known[index], int(floor[index]))
        for index, listing in enumerate(listings)
    }


@dataclass(frozen=True)
class _Solved:
    facts: PricingFacts[Listing]
    problem: MarkdownProblem
    policy: MarkdownPolicy
    forecast: MarkdownForecast
    kept: MarkdownForecast


def _ladder(facts: PricingFacts[Listing], rows: list[int], plans: list[MarkdownPlan]) -> tuple[Any, Any]:
    """A falling price starts from the one in force; one that may rise goes no higher than the list price, or that."""
    exponent = facts.channel.currency_exponent
    current = facts.facts.current_ticks
    listed = int_column([to_ticks(row.list_price, exponent) for row in facts.listings])
    falling = {row: plan.only_down for row, plan in zip(rows, plans, strict=True)}
    highest = np.array([current[row] if falling[row] else max(current[row], listed[row]) for row in rows])
    taken = np.array(rows)
    some = type(facts.facts)(**{name: getattr(facts.facts, name)[taken] for name in type(facts.facts).__slots__})
    return price_ladder(limits=facts.limits.take(taken), facts=some, highest=highest)


def _problem(
    facts: PricingFacts[Listing],
    rows: list[int],
    plans: list[MarkdownPlan],
    estimates: list[ElasticityEstimate],
    ladder: Any,
    today: date,
) -> MarkdownProblem:
    taken, minor = np.array(rows), 10.0**facts.channel.currency_exponent
    limit = facts.limits.max_change_bp[taken]
    share = np.array([plan.days_in_period / DAYS_IN_WEEK for plan in plans])
    return MarkdownProblem(
        stock=facts.facts.stock[taken],
        periods=np.array([plan.periods_left(today) for plan in plans], dtype=np.int64),
        current=facts.facts.current_ticks[taken].astype(np.float64),
        ladder=ladder,
        demand=share * np.array([estimate.base_demand for estimate in estimates]),
        reference=np.array([estimate.reference_price for estimate in estimates]) * minor,
        elasticity_mean=np.array([estimate.mean for estimate in estimates]),
        elasticity_sd=np.array([estimate.sd for estimate in estimates]),
        log_demand_sd=np.array([estimate.log_demand_sd for estimate in estimates]),
        salvage=np.array([float(plan.salvage_value) for plan in plans]) * minor,
        target=np.array([plan.target_stock for plan in plans], dtype=np.int64),
        penalty=np.array([float(plan.penalty) for plan in plans]) * minor,
        only_down=np.array([plan.only_down for plan in plans]),
        max_changes=np.array([_changes_left(plan) for plan in plans], dtype=np.int64),
        max_step=np.where(limit == MISSING, np.inf, limit / BASIS),
    )


def _changes_left(plan: MarkdownPlan) -> int:
    if plan.max_changes is None:
        return UNLIMITED
    if plan.pk is None:
        return plan.max_changes
    # The list price that is published for the first time is no change.
    changed = plan.steps.filter(outcome=MarkdownStep.Outcome.PUBLISHED).exclude(price=F("previous_price"))
    return max(0, plan.max_changes - changed.count())


def _planned(
    solved: _Solved, index: int, row: int, plan: MarkdownPlan, estimate: ElasticityEstimate, floor: int
) -> PlannedMarkdown:
    exponent, minor = solved.facts.channel.currency_exponent, 10.0**solved.facts.channel.currency_exponent
    ticks = int(solved.problem.ladder[index, solved.policy.first[index]])
    return PlannedMarkdown(
        plan=plan,
        listing=solved.facts.listings[row],
        price=from_ticks(ticks, exponent),
        binding_rule=_binding_rule(solved.facts, row, ticks) if ticks == floor else Rule.OWN_OPTIMUM.label,
        inputs=_inputs(solved, index, row, estimate),
        forecast=_paths(solved.forecast, index, int(solved.problem.periods[index]), minor),
        value=round(float(solved.forecast.value[index]) / minor, 4),
        value_keeping_price=round(float(solved.kept.value[index]) / minor, 4),
        meets_target=round(float(solved.forecast.meets_target[index]), 6),
        replay=_replay(solved.problem, index, ticks),
    )


def _replay(problem: MarkdownProblem, index: int, ticks: int) -> dict[str, Any]:
    """Return all that decided the price, exactly: see `optimizer.markdown_replay`."""
    fields = {name: getattr(problem, name)[index].tolist() for name in MarkdownProblem.__slots__}
    if fields["max_changes"] == UNLIMITED:
        fields["max_changes"] = None
    if fields["max_step"] == np.inf:  # JSON knows no infinity
        fields["max_step"] = None
    return {"markdown": fields, "price_ticks": ticks}


def _binding_rule(facts: PricingFacts[Listing], row: int, ticks: int) -> str:
    """Name the strongest hard rule that one minor unit less would break."""
    at = np.array([row])
    one = type(facts.facts)(**{name: getattr(facts.facts, name)[at] for name in type(facts.facts).__slots__})
    broken = violations_batch(np.array([ticks - 1]), facts.limits.take(at), one)
    floors = (Rule.LOSS_FLOOR, Rule.MIN_MARGIN, Rule.MAP, Rule.FLOOR)
    return next((rule.label for rule in floors if broken[rule][0]), Rule.OWN_OPTIMUM.label)


def _inputs(solved: _Solved, index: int, row: int, estimate: ElasticityEstimate) -> dict[str, Any]:
    listing, exponent = solved.facts.listings[row], solved.facts.channel.currency_exponent
    ladder = sorted({int(ticks) for ticks in solved.problem.ladder[index]}, reverse=True)
    return {
        "current_price": {"value": str(listing.price_in_force), "version": listing.price_version},
        "unit_cost": {"value": str(listing.unit_cost), "at": _iso(listing.unit_cost_at)},
        "inventory": {"value": listing.inventory, "at": _iso(listing.inventory_at)},
        "demand": {"value": float(solved.problem.demand[index]), "at_price": estimate.reference_price},
        "elasticity": {"mean": estimate.mean, "sd": estimate.sd, "model": str(estimate.fit)},
        "ladder": [str(from_ticks(ticks, exponent)) for ticks in ladder],
        "value_error_bound": float(solved.policy.error_bound[index]) / 10.0**exponent,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _paths(forecast: MarkdownForecast, index: int, periods: int, minor: float) -> dict[str, list[float]]:
    def rounded(values: Any, scale: float = 1.0) -> list[float]:
        return [round(float(value) / scale, 4) for value in values]

    return {
        "price": rounded(forecast.price[index, :periods], minor),
        "mean_price": rounded(forecast.mean_price[index, :periods], minor),
        "stock": rounded(forecast.stock[index, : periods + 1]),
        "stock_low": rounded(forecast.stock_low[index, : periods + 1]),
        "stock_high": rounded(forecast.stock_high[index, : periods + 1]),
    }


def plan_by_id(*, plan_id: int) -> MarkdownPlan | None:
    return recent_plans().filter(pk=plan_id).first()


def recent_plans() -> QuerySet[MarkdownPlan]:
    """Return all plans with what names their listing."""
    return MarkdownPlan.objects.select_related("listing__product", "listing__channel", "author")
