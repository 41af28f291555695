"""The price that earns most over the coming periods when rivals answer it."""

from dataclasses import dataclass

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .reactions import CUT, FOLLOW, IGNORE, LEAST_CHANGE, RAISE, UNDERCUT
from .response import RivalResponse


@dataclass(frozen=True, kw_only=True)
class RivalMarket:
    """Hold products that a rival sells as well, (product,) each.

    Args:
        price, rival_price, unit_cost: currency, prices above 0.
        demand: units a period at both prices of today.
        elasticity: own-price, signed.
        rival_elasticity: of our demand in the rival's price, usually above 0.
        rival: whose answer counts.
    """

    price: Floats
    rival_price: Floats
    unit_cost: Floats
    demand: Floats
    elasticity: Floats
    rival_elasticity: Floats
    rival: Ints


@dataclass(frozen=True, kw_only=True)
class BestResponse:
    """Hold the best of the prices offered, (product,) each.

    Args:
        choice: column of the price.
        price: currency.
        profit: expected over the horizon.
        profit_today: at today's prices.
        choice_ignoring: what would be chosen if the rival never answered.
        profit_ignoring: what that choice brings when it does.
        expected_rival_price: at the end of the horizon, after our best price: the mean of its log, as a price.
    """

    choice: Ints
    price: Floats
    profit: Floats
    profit_today: Floats
    choice_ignoring: Ints
    profit_ignoring: Floats
    expected_rival_price: Floats


def best_response(market: RivalMarket, prices: Floats, response: RivalResponse, *, horizon: int) -> BestResponse:
    """Choose the price that earns most over a horizon, where the rival may ignore it, follow it or undercut it.

    Demand is constant-elastic in both prices. Our price holds for the whole horizon; the rival answers once, after a
    random lag, or not at all: the expectation over all of that is exact.

    Use it to price against a rival who is known to answer: a raise that is followed costs less demand than elasticities
    at a fixed rival say, a cut that is matched brings less.

    Args:
        market: the products.
        prices: (product, candidate) float64, admissible prices, currency.
        response: how rivals answer.
        horizon: periods, at least 1.

    Raises:
        ValueError: shapes that do not go together, or no period; the message says what to give.
    """
    if prices.ndim != 2 or len(prices) != len(market.price):
        raise ValueError(f"prices: got shape {prices.shape}; give ({len(market.price)}, candidates)")
    if horizon < 1:
        raise ValueError(f"horizon: got {horizon}; give at least one period")
    change = np.log(prices / market.price[:, None])
    margin = prices - market.unit_cost[:, None]
    at_fixed_rival = market.demand[:, None] * np.exp(market.elasticity[:, None] * change)
    shifts, chances = _answers(market, change, response)
    before, after = _periods(response, market.rival, horizon)
    lifts = np.exp(market.rival_elasticity[:, None, None] * shifts)
    # Until the answer the rival is where it was; one that never comes leaves it there for good.
    periods = horizon * chances[..., IGNORE] + (chances[..., FOLLOW] + chances[..., UNDERCUT]) * before[:, None]
    for kind in (FOLLOW, UNDERCUT):
        periods = periods + chances[..., kind] * after[:, None] * lifts[..., kind]
    profit, ignoring = margin * at_fixed_rival * periods, margin * at_fixed_rival * horizon
    best, naive, rows = profit.argmax(1), ignoring.argmax(1), np.arange(len(prices))
    answered = response.lag[market.rival, : horizon - 1].sum(1)
    expected_shift = (chances * shifts).sum(-1) * answered[:, None]
    return BestResponse(
        choice=best,
        price=prices[rows, best],
        profit=profit[rows, best],
        profit_today=(market.price - market.unit_cost) * market.demand * horizon,
        choice_ignoring=naive,
        profit_ignoring=profit[rows, naive],
        expected_rival_price=market.rival_price * np.exp(expected_shift[rows, best]),
    )


def _answers(market: RivalMarket, change: Floats, response: RivalResponse) -> tuple[Floats, Floats]:
    """Return the rival's move, ln, and its probability, (product, candidate, reaction)."""
    direction = np.where(change > 0, RAISE, CUT)
    chances = response.probability[market.rival[:, None], direction]
    chances = np.where(np.abs(change)[..., None] < LEAST_CHANGE, [1.0, 0.0, 0.0], chances)
    ours = np.log(market.price)[:, None] + change
    theirs = np.log(market.rival_price)[:, None]
    follow = response.pass_through[market.rival][:, None] * change
    # Nobody who is below us already undercuts by going up.
    undercut = np.minimum(ours - response.undercut_by[market.rival][:, None] - theirs, 0.0)
    return np.stack([np.zeros_like(change), follow, undercut], axis=-1), chances


def _periods(response: RivalResponse, rival: Ints, horizon: int) -> tuple[Floats, Floats]:
    """Return the expected periods before and after an answer, (product,): it comes in force after its lag."""
    lag = np.arange(1, response.lag.shape[1] + 1)
    before = response.lag[rival] @ np.minimum(lag, horizon)
    return before, horizon - before
