"""Choose the prices of a run together, for its goals. Only workers and commands load this file."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.conf import settings

from catalog.guardrails import MISSING, Ints
from catalog.money import ticks_text
from catalog.selectors.price_groups import RelatedListings, related_listings
from optimizer.engine.joint import expectations_at
from optimizer.engine.portfolio import (
    ChangeBudget,
    CrossPairs,
    Goal,
    GoalsUnmet,
    MarginRate,
    PortfolioPrices,
    PriceIndex,
    RevenueFloor,
    ShadowPrice,
    price_portfolio,
)
from optimizer.models import OptimizationRun, Recommendation, TrainingJob
from optimizer.selectors.cross_elasticities import cross_elasticities, newest_cross_job
from optimizer.services.recorded_run import RecordedRun
from optimizer.services.reprice import reprice, store_repriced
from optimizer.services.run_steps import RunStep, do_once

STEP: Final = RunStep("the prices for the goals", done="portfolio_solved_at", attempts="portfolio_attempts")
RULE: Final = "portfolio"
WRITTEN_AT_ONCE: Final = 10_000
TOLD_AT_MOST: Final = 20
"""Shadow prices that a run keeps: the dearest."""


def solve_portfolio(*, run_id: uuid.UUID, now: datetime) -> bool:
    """Choose the prices of a run that has goals together, once; False where there is nothing to do.

    After the related prices. Works from what the chunks recorded; families and ladders keep their relation, prices that
    a person or a markdown plan holds count nowhere. What a price does to the sales of others counts where the newest
    job of kind `cross` learned it. Goals that cannot be met leave the prices as they are: the run is
    then held, with what could be met.
    """
    return do_once(STEP, run_id=run_id, now=now, work=_solve)


@dataclass(frozen=True)
class _Shop:
    """What the goals look at, with one entry a listing that has recorded inputs."""

    run: OptimizationRun
    recorded: RecordedRun
    cross_job: TrainingJob | None

    def goals(self) -> list[Goal]:
        """Return the run's goals over the rows that can be priced."""
        asked = self.run.goals
        goals: list[Goal] = []
        if "least_revenue_change" in asked:
            goals.append(RevenueFloor(change=asked["least_revenue_change"]))
        if "least_margin_rate" in asked:
            goals.append(MarginRate(least=asked["least_margin_rate"]))
        if "most_changes" in asked:
            goals.append(ChangeBudget(most=asked["most_changes"]))
        for prefix, name in (("index", "price index"), ("kvi_index", "price index of key value items")):
            low, high = asked.get(f"{prefix}_low"), asked.get(f"{prefix}_high")
            if low is not None or high is not None:
                goals.append(self._index(name, low, high, only_kvi=prefix == "kvi_index"))
        return goals

    def _index(self, name: str, low: float | None, high: float | None, *, only_kvi: bool) -> PriceIndex:
        priced = self.recorded.alone != MISSING
        names, group = np.unique(self.recorded.category[priced], return_inverse=True)
        if only_kvi:
            group = np.where(self.recorded.is_kvi[priced], group, -1)
        return PriceIndex(group=group.astype(np.int64), names=[*map(str, names)], low=low, high=high, name=name)

    def cross(self) -> CrossPairs | None:
        """Return what the newest job learned of the run's listings; None where it learned nothing of them."""
        if self.cross_job is None:
            return None
        found, listing = cross_elasticities(job=self.cross_job), self.recorded.listing
        found = found[np.isin(found["listing"], listing) & np.isin(found["other"], listing)]
        if len(found) == 0:
            return None
        demand_of, price_of = (np.searchsorted(listing, found[name]) for name in ("listing", "other"))
        return CrossPairs(demand_of=demand_of, price_of=price_of, elasticity=found["mean"])


def _solve(run: OptimizationRun) -> None:
    if not run.goals:
        return
    shop = _Shop(run, RecordedRun.read(run), newest_cross_job(channel=run.channel))
    if (shop.recorded.alone == MISSING).all():
        return
    groups = shop.recorded.complete(related_listings(channel=run.channel))
    try:
        found = price_portfolio(
            shop.recorded.inputs,
            shop.goals(),
            alone=shop.recorded.alone,
            objective=run.objective,
            related=shop.recorded.related(groups),
            cross=shop.cross(),
            device=settings.PRICING_DEVICE,
        )
    except GoalsUnmet as error:
        run.portfolio = {"unmet": f"the goals cannot be met: {error}"}
    else:
        _write(shop, found)
        _tell_relatives(shop, found, groups)
        run.portfolio = _certificate(shop, found)
    run.save(update_fields=["portfolio"])


def _certificate(shop: _Shop, found: PortfolioPrices) -> dict[str, Any]:
    """Return how good the choice is and what each goal costs, JSON-able; money in the channel's currency."""
    run = shop.run
    exponent, result = run.channel.currency_exponent, found.result
    is_money = run.objective != OptimizationRun.Objective.MARKET_SHARE
    unit = 10.0**-exponent if is_money else 1.0
    dearest = sorted(found.shadow_prices, key=lambda price: -price.costs)[:TOLD_AT_MOST]
    certificate = {
        "skus": len(found.rows),
        "options": int(found.ladder.distinct.sum()),
        "value": result.value * unit,
        "bound": result.bound * unit,
        "gap": result.gap,
        "steps": result.steps,
        "goals": [_told(price, run, is_money, unit) for price in dearest],
    }
    if found.effects is not None and shop.cross_job is not None:
        certificate["cross"] = {
            "job": str(shop.cross_job),
            "skus": int(np.count_nonzero(found.effects.value)),
            "value": found.brought_to_others * unit,
            "words": _cross_words(found, run, is_money),
        }
    return certificate


def _told(price: ShadowPrice, run: OptimizationRun, is_money: bool, unit: float) -> dict[str, Any]:
    words = price.sentence(lambda value: _amount(value, run, is_money), _objective(run, is_money))
    return {"goal": price.goal, "group": price.group, "costs": price.costs * unit, "words": words}


def _cross_words(found: PortfolioPrices, run: OptimizationRun, is_money: bool) -> str:
    assert found.effects is not None
    acting, brought = int(np.count_nonzero(found.effects.value)), found.brought_to_others
    more = "more" if brought >= 0 else "less"
    return (
        f"What {acting:,} {'price does' if acting == 1 else 'prices do'} to the sales of other products is counted: "
        f"{_amount(abs(brought), run, is_money)} {more} {_objective(run, is_money)}."
    )


def _amount(value: float, run: OptimizationRun, is_money: bool) -> str:
    if not is_money:
        return f"{value:,.1f}"
    return f"{ticks_text(round(value), run.channel.currency_exponent)} {run.channel.currency}"


def _objective(run: OptimizationRun, is_money: bool) -> str:
    return f"{run.get_objective_display().lower()} a week" if is_money else "units a week"


def _write(shop: _Shop, found: PortfolioPrices) -> None:
    """Give the rows that the goals move their price, with the scores from which it can be worked out again."""
    moved = np.flatnonzero(found.ticks[found.rows] != shop.recorded.alone[found.rows])
    for start in range(0, len(moved), WRITTEN_AT_ONCE):
        _write_some(shop, found, moved[start : start + WRITTEN_AT_ONCE])


def _write_some(shop: _Shop, found: PortfolioPrices, places: Ints) -> None:
    exponent, rows = shop.run.channel.currency_exponent, found.rows[places]
    columns = expectations_at(shop.recorded.inputs.rows(rows), found.ticks[rows])
    stored = Recommendation.objects.filter(run=shop.run, listing_id__any_of=shop.recorded.listing[rows].tolist())
    by_listing = {row.listing_id: row for row in stored}
    for at, (place, row) in enumerate(zip(places.tolist(), rows.tolist(), strict=True)):
        recommendation = by_listing[int(shop.recorded.listing[row])]
        expected = {name: float(column[at]) for name, column in columns.items()}
        ticks, before = int(found.ticks[row]), int(shop.recorded.alone[row])
        reprice(recommendation, rule=RULE, ticks=ticks, before=before, expected=expected, exponent=exponent)
        recommendation.explanation["portfolio"] = {"alone": ticks_text(before, exponent)}
        recommendation.explanation["replay"]["portfolio"] = _recorded(found, place)
    store_repriced(by_listing.values())


def _recorded(found: PortfolioPrices, place: int) -> dict[str, Any]:
    """Return what a replay needs beside the SKU's own inputs."""
    ladder, charges, effects = found.ladder, found.charges, found.effects
    recorded = {
        "options": ladder.ticks[place][ladder.distinct[place]].tolist(),
        "revenue": charges.revenue,
        "profit": charges.profit,
        "change": float(charges.change[place]),
        "price": float(charges.price[place]),
        "together": bool(found.together[place]),
        "mended": bool(found.result.mended[place]),
    }
    if effects is not None:
        charged = charges.revenue * effects.revenue + charges.profit * effects.profit
        recorded["cross"] = float((effects.value + charged)[place])
    return recorded


def _tell_relatives(shop: _Shop, found: PortfolioPrices, groups: Sequence[RelatedListings]) -> None:
    """Tell members of families and ladders what the others now cost."""
    exponent, place = shop.run.channel.currency_exponent, shop.recorded.places(groups)
    members = {row.pk: row.product.sku for group in groups for row in group.listings}
    price = {
        sku: ticks_text(int(found.ticks[place[pk]]), exponent)
        for pk, sku in members.items()
        if found.ticks[place[pk]] != MISSING
    }
    told = {}
    for row in Recommendation.objects.filter(run=shop.run, listing__in=members):
        for member in row.explanation.get("group", {}).get("members", []):
            if price.get(member["sku"], member["price"]) != member["price"]:
                member["price"] = price[member["sku"]]
                told[row.pk] = row
    store_repriced(told.values())
