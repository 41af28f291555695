"""Learn how a channel's competitors answer our prices, and price against them. Only commands load this file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl
from django.conf import settings

from catalog.guardrails import MISSING, EndingTable, Ints, admissible_band
from catalog.models import Channel, CompetitorOffer, Listing
from catalog.money import from_ticks, ticks_text, to_ticks
from catalog.plain_words import NOT_PRICED_WORDS
from catalog.selectors.competitors import STALE_AFTER
from catalog.selectors.pricing_facts import pricing_facts
from optimizer.engine import UNPRICED_REASONS, PricingInputs, optimize_ticks, resolve_device
from optimizer.engine.hierarchy import USUAL_EFFECTS
from optimizer.engine.portfolio.ladder import PriceLadder
from optimizer.engine.pricing_arrays import Floats
from optimizer.engine.rivals import RivalMarket, RivalPanel, RivalResponse, best_response, learn_response
from optimizer.engine.rivals.panel import MOST_AGE, MOST_FACTOR
from optimizer.models import ElasticityFit
from optimizer.selectors.estimates import estimates_of
from optimizer.selectors.live_models import live_fit
from optimizer.selectors.rival_days import rival_days, rival_offers
from optimizer.services.recommendations import pricing_inputs

LOOK_BACK: Final = timedelta(days=365)
CANDIDATES: Final = 10_003
"""Prices that are compared: all that are admissible, or so many evenly spread over a wider band."""

DAYS_IN_WEEK: Final = 7
USUAL_RIVAL_ELASTICITY: Final = USUAL_EFFECTS["competitor_log_price"].mean


class NoRivals(ValueError):
    """There is nothing to learn from or to price with; the message names the cure."""


@dataclass(frozen=True)
class LearnedRivals:
    """Hold what a channel's history says of its competitors.

    Args:
        names: of the competitors, in the order of the response.
        response: how they answer.
        days: listings, competitors and days that it was learned from.
    """

    names: list[str]
    response: RivalResponse
    days: pl.DataFrame

    @property
    def span(self) -> tuple[date, date]:
        """The first and the last day."""
        days = self.days["day"].to_list()
        return min(days), max(days)

    @property
    def changes(self) -> int:
        """How many changes of ours were seen for long enough, counted for each competitor."""
        return int(self.response.events.sum())


@dataclass(frozen=True)
class PriceAgainstRival:
    """Hold the best price of a listing against one competitor; money in the channel's currency.

    Args:
        rival: the competitor, whose newest offer is ``rival_price``.
        price, profit: the best of the candidates, and what it is expected to earn over the horizon.
        profit_today: the same of the price in force, if nobody moves.
        price_ignoring, profit_ignoring: what would be chosen if the rival never answered, and what that earns as it
            does.
        expected_rival_price: at the end of the horizon, after our best price.
    """

    rival: str
    rival_price: Decimal
    price: Decimal
    profit: float
    profit_today: float
    price_ignoring: Decimal
    profit_ignoring: float
    expected_rival_price: float


@dataclass(frozen=True)
class PricedAgainstRivals:
    """Hold a listing's best price against each of its competitors, and what it rests on."""

    listing: Listing
    model: str
    elasticity: float
    rival_elasticity: float
    whose_rival_elasticity: str
    daily_demand: float
    candidates: list[Decimal]
    answers: list[PriceAgainstRival]


def learned_rivals(*, channel: Channel, now: datetime) -> LearnedRivals:
    """Learn from the days of the last year how each competitor of a channel answers our price changes.

    Raises:
        NoRivals: the channel has no history of offers.
    """
    days = rival_days(channel=channel, since=now - LOOK_BACK, now=now, carried_days=int(MOST_AGE))
    if days.is_empty():
        raise NoRivals(
            f"channel {channel.code!r} has no competitors' offers of a day that is over:"
            " run `manage.py import_competitor_prices` first"
        )
    names = days["competitor"].unique().sort().to_list()
    return LearnedRivals(names, learn_response(_panel(days, names)), days)


def _panel(days: pl.DataFrame, names: list[str]) -> RivalPanel:
    pair = days.select(pl.struct("listing_id", "competitor").rle_id()).to_series().to_numpy().astype(np.int64)
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    of_name = {name: row for row, name in enumerate(names)}
    return RivalPanel(
        pair=pair,
        rival=np.array([of_name[name] for name in days["competitor"][first.tolist()]], dtype=np.int64),
        period=days["day"].cast(pl.Int32).to_numpy().astype(np.int64),
        own=days["own"].log().fill_null(np.nan).to_numpy(),
        theirs=days["theirs"].log().to_numpy(),
        age=days["age"].cast(pl.Float64).to_numpy(),
    )


def price_against_rivals(
    *,
    channel: Channel,
    sku: str,
    rivals: LearnedRivals,
    horizon: int,
    now: datetime,
    prices: Sequence[Decimal] = (),
    rival_elasticity: float | None = None,
) -> PricedAgainstRivals:
    """Find the price of a listing that earns most over ``horizon`` days, against each competitor that offers it.

    The candidates are ``prices``, or else those that the guardrails admit. Demand is the live model's at the price in
    force; stock is not looked at. Without ``rival_elasticity``, of demand in the competitor's price, what the live
    model learned of it counts, or else what is usual.

    Raises:
        NoRivals: the listing, a live model, an estimate, a cost or a fresh offer is missing, or a price breaks a
            guardrail.
    """
    fit = live_fit(channel=channel)
    if fit is None:
        raise NoRivals(f"channel {channel.code!r} has no live model: run `manage.py fit_elasticities` first")
    listing = Listing.objects.filter(channel=channel, product__sku=sku).select_related("product", "channel").first()
    if listing is None:
        raise NoRivals(f"channel {channel.code!r} has no SKU {sku!r}: give one that it sells")
    facts = pricing_facts(channel=channel, listings=[listing], now=now)
    known = estimates_of(fit=fit, first_pk=listing.pk, last_pk=listing.pk)
    inputs = pricing_inputs(facts, [known.get(listing.pk)])
    ticks = _admissible(inputs, sku)
    if prices:
        ticks = _asked(prices, inputs, channel, sku)
    candidates = [from_ticks(tick, channel.currency_exponent) for tick in ticks.tolist()]
    offers = _fresh_offers(channel, listing, rivals, now)
    if not offers:
        raise NoRivals(
            f"no competitor of SKU {sku!r} was seen in the last {STALE_AFTER.days} days at a price that can be"
            " believed: run `manage.py import_competitor_prices` with newer offers"
        )
    of_rival, whose = _rival_elasticity(fit, rival_elasticity)
    market = _market(inputs, listing, offers, rivals, of_rival)
    every = np.tile(np.array(candidates, dtype=np.float64), (len(offers), 1))
    best = best_response(market, every, rivals.response, horizon=horizon)
    answers = [
        PriceAgainstRival(
            rival=offer.competitor,
            rival_price=offer.price,
            price=candidates[best.choice[row]],
            profit=float(best.profit[row]),
            profit_today=float(best.profit_today[row]),
            price_ignoring=candidates[best.choice_ignoring[row]],
            profit_ignoring=float(best.profit_ignoring[row]),
            expected_rival_price=float(best.expected_rival_price[row]),
        )
        for row, offer in enumerate(offers)
    ]
    return PricedAgainstRivals(
        listing, str(fit), float(market.elasticity[0]), of_rival, whose, float(market.demand[0]), candidates, answers
    )


def _rival_elasticity(fit: ElasticityFit, given: float | None) -> tuple[float, str]:
    """Return the elasticity of demand in a competitor's price, and whose word it is."""
    if given is not None:
        return given, "as given"
    if (learned := fit.diagnostics.get("shop_competitor_log_price")) is not None:
        return learned, "as it learned"
    return USUAL_RIVAL_ELASTICITY, "what is usual, not learned here"


def _market(
    inputs: PricingInputs,
    listing: Listing,
    offers: Sequence[CompetitorOffer],
    rivals: LearnedRivals,
    rival_elasticity: float,
) -> RivalMarket:
    """Return the listing once for each of its competitors."""

    def same(value: float) -> Floats:
        return np.full(len(offers), value)

    assert listing.unit_cost is not None  # it could be priced
    return RivalMarket(
        price=same(float(listing.price_in_force)),
        rival_price=np.array([float(offer.price) for offer in offers]),
        unit_cost=same(float(listing.unit_cost)),
        demand=same(float(inputs.demand[0]) / DAYS_IN_WEEK),
        elasticity=same(float(inputs.elasticity_mean[0])),
        rival_elasticity=same(rival_elasticity),
        rival=np.array([rivals.names.index(offer.competitor) for offer in offers], dtype=np.int64),
    )


def _admissible(inputs: PricingInputs, sku: str) -> Ints:
    """Return the admissible prices of one SKU, rising, in ticks."""
    device = resolve_device(settings.PRICING_DEVICE)
    result = optimize_ticks(inputs, device=device)
    if result.price_ticks[0] == MISSING:
        raise NoRivals(f"SKU {sku!r} cannot be priced: {NOT_PRICED_WORDS[UNPRICED_REASONS[result.unpriced[0]]]}")
    ladder = PriceLadder.build(inputs, alone=result.price_ticks, device=device, points=CANDIDATES)
    return ladder.ticks[0][ladder.distinct[0]]


def _asked(prices: Sequence[Decimal], inputs: PricingInputs, channel: Channel, sku: str) -> Ints:
    """Return the prices that somebody asks about in ticks, rising, or refuse one that breaks a guardrail."""
    exponent = channel.currency_exponent
    ticks = np.array(sorted({to_ticks(price, exponent) for price in prices}), dtype=np.int64)
    limits = inputs.guardrails
    band = admissible_band(limits, inputs.facts())
    table = EndingTable.build(limits.ending_sets)
    fitting = table.sets_that_fit(band.lower, band.upper, limits.ending_set)
    inside = (ticks >= band.lower) & (ticks <= band.upper) & (table.at_or_below(ticks, fitting) == ticks)
    if not inside.all():
        wrong, low, high = (
            ticks_text(int(tick), exponent) for tick in (ticks[~inside][0], band.lower[0], band.upper[0])
        )
        raise NoRivals(
            f"price {wrong} breaks a guardrail of SKU {sku!r}: give one from {low} to {high} with an allowed ending"
        )
    return ticks


def _fresh_offers(channel: Channel, listing: Listing, rivals: LearnedRivals, now: datetime) -> list[CompetitorOffer]:
    """Return the newest offer of each competitor that was learned, without those that are stale or absurd."""
    offers = rival_offers(channel=channel, since=now - STALE_AFTER, now=now).filter(listing=listing)
    newest = offers.order_by("competitor", "-observed_at").distinct("competitor")
    ours = float(listing.price_in_force)
    return [
        offer
        for offer in newest
        if offer.competitor in rivals.names and ours / MOST_FACTOR <= float(offer.price) <= ours * MOST_FACTOR
    ]
