"""Rivals: what they did after our changes is read right, learned with its uncertainty, and priced against."""

import numpy as np
import pytest

from optimizer.engine.rivals import (
    CUT,
    FOLLOW,
    IGNORE,
    RAISE,
    UNDERCUT,
    RivalMarket,
    RivalPanel,
    RivalResponse,
    best_response,
    learn_response,
    reactions,
)

TRUTH = {  # of rival 0, 1, 2: ignore, follow, undercut after our cuts and raises
    CUT: np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.3, 0.1, 0.6]]),
    RAISE: np.array([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.95, 0.05, 0.0]]),
}
PASS_THROUGH, UNDERCUT_BY, LAGS = np.array([0.5, 1.0, 0.8]), 0.03, [0.5, 0.3, 0.2]


def market_history(seed: int = 0, pairs: int = 60, periods: int = 200) -> RivalPanel:
    """Draw our changes every dozen periods and what three rivals do after them."""
    rng = np.random.default_rng(seed)
    own, theirs = np.zeros((pairs, periods)), np.full((pairs, periods), 0.02)
    rival = np.arange(pairs) % 3
    for pair in range(pairs):
        now, offer = 0.0, 0.02
        planned: dict[int, float] = {}
        for period in range(periods):
            if period % 12 == 6:
                change = rng.choice([-1, 1]) * rng.uniform(0.03, 0.1)
                now += change
                direction = RAISE if change > 0 else CUT
                kind = rng.choice(3, p=TRUTH[direction][rival[pair]])
                lag = 1 + int(rng.choice(3, p=LAGS))
                if kind == FOLLOW:
                    planned[period + lag] = offer + PASS_THROUGH[rival[pair]] * change
                elif kind == UNDERCUT and offer > now - UNDERCUT_BY:
                    planned[period + lag] = now - UNDERCUT_BY
            offer = planned.pop(period, offer)
            if period % 12 == 5:  # both begin anew, so that reactions stay apart
                now, offer = 0.0, 0.02
            own[pair, period], theirs[pair, period] = now, offer
    pair, period = np.divmod(np.arange(pairs * periods), periods)
    return RivalPanel(pair=pair, rival=rival, period=period, own=own.ravel(), theirs=theirs.ravel())


def one_pair(own: list[float], theirs: list[float], **more) -> RivalPanel:
    rows = np.arange(len(own))
    return RivalPanel(
        pair=np.zeros(len(own), int),
        rival=np.array([0]),
        period=rows,
        own=np.array(own),
        theirs=np.array(theirs),
        **more,
    )


@pytest.mark.parametrize(
    ("own", "theirs", "kind", "lag", "size"),
    [
        ([0, -0.1, -0.1, -0.1, -0.1], [0, 0, 0, 0, 0], IGNORE, 0, None),
        ([0, -0.1, -0.1, -0.1, -0.1], [0, 0, -0.08, -0.08, -0.08], FOLLOW, 1, 0.8),
        ([0, -0.1, -0.1, -0.1, -0.1], [0, 0, 0, -0.13, -0.13], UNDERCUT, 2, 0.03),
        ([0, 0.1, 0.1, 0.1, 0.1], [0, 0, 0, 0, 0.1], FOLLOW, 3, 1.0),
        (
            [0, 0.1, 0.1, 0.1, 0.1],
            [0, 0, -0.05, -0.05, -0.05],
            IGNORE,
            0,
            None,
        ),  # was below us, and moved the other way
        (
            [0, -0.1, -0.1, -0.1, -0.1],
            [-0.2, -0.2, -0.25, -0.25, -0.25],
            FOLLOW,
            1,
            0.5,
        ),  # below us before: no undercut
    ],
)
def test_a_reaction_is_read_right(own, theirs, kind, lag, size):
    found = reactions(one_pair(own, theirs), window=3)
    assert len(found) == 1 and (found.kind[0], found.lag[0]) == (kind, lag)
    assert np.isnan(found.size[0]) if size is None else found.size[0] == pytest.approx(size)


def test_a_window_that_is_cut_short_says_nothing_answered_or_not():
    assert len(reactions(one_pair([0, -0.1, -0.1, -0.2], [0, 0, 0, 0]), window=3)) == 0
    assert len(reactions(one_pair([0, -0.1, -0.1], [0, 0, 0]), window=3)) == 0
    answered = reactions(one_pair([0, -0.1, -0.1, -0.2, -0.2], [0, 0, -0.1, -0.1, -0.1]), window=3)
    assert len(answered) == 0
    gap = RivalPanel(
        pair=np.zeros(4, int),
        rival=np.array([0]),
        period=np.array([0, 1, 5, 6]),
        own=np.array([0, -0.1, -0.1, -0.1]),
        theirs=np.zeros(4),
    )
    assert len(reactions(gap, window=2)) == 0


def test_stale_and_absurd_offers_are_left_out():
    panel = one_pair([0.0] * 4, [0.0, 2.0, 0.1, np.nan], age=np.array([0.0, 0.0, 5.0, 0.0]))
    assert panel.usable().period.tolist() == [0]


def test_what_rivals_do_is_learned_with_its_uncertainty():
    covered = []
    for seed in range(6):
        learned = learn_response(market_history(seed), window=4)
        for direction, truth in TRUTH.items():
            off = np.abs(learned.probability[:, direction] - truth)
            covered.append(off <= 1.645 * learned.probability_sd[:, direction])
            assert off.max() < 0.12
    assert 0.8 < np.mean(covered) <= 1
    np.testing.assert_allclose(learned.probability.sum(2), 1)
    np.testing.assert_allclose(learned.pass_through, PASS_THROUGH, atol=0.02)
    np.testing.assert_allclose(learned.undercut_by, UNDERCUT_BY, atol=0.005)
    np.testing.assert_allclose(learned.lag[:, :3], np.tile(LAGS, (3, 1)), atol=0.1)
    assert learned.events.sum() > 900 and "of our cuts" in learned.words(1, CUT)


def test_a_rival_who_was_hardly_seen_is_taken_to_be_like_the_others():
    panel = market_history(1)
    few = RivalPanel(
        pair=np.append(panel.pair, np.full(5, 60)),
        rival=np.append(panel.rival, 3),
        period=np.append(panel.period, np.arange(5)),
        own=np.append(panel.own, [0, -0.1, -0.1, -0.1, -0.1]),
        theirs=np.append(panel.theirs, np.zeros(5)),
    )
    learned = learn_response(few, window=3)
    common = learned.probability[:3, CUT].mean(0)
    assert learned.events[3, CUT] == 1 and np.abs(learned.probability[3, CUT] - common).max() < 0.3
    assert learned.probability_sd[3, CUT].max() > 2 * learned.probability_sd[0, CUT].max()
    assert learned.pass_through[3] == pytest.approx(learned.pass_through[:3].mean(), abs=0.2)


def certain(kind: int, *, pass_through: float = 1.0) -> RivalResponse:
    """A rival who always does the same, in the next period."""
    probability = np.zeros((1, 2, 3))
    probability[..., kind] = 1
    return RivalResponse(
        probability=probability,
        probability_sd=np.zeros((1, 2, 3)),
        lag=np.array([[1.0, 0.0]]),
        pass_through=np.array([pass_through]),
        undercut_by=np.array([0.02]),
        events=np.full((1, 2), 100),
    )


def a_market(**fields) -> RivalMarket:
    usual = {
        "price": [10.0], "rival_price": [10.0], "unit_cost": [6.0], "demand": [100.0], "elasticity": [-4.0],
        "rival_elasticity": [2.5], "rival": [0],
    }  # fmt: skip
    return RivalMarket(**{name: np.array(values) for name, values in (usual | fields).items()})


CANDIDATES = np.linspace(7, 14, 141)[None]


def test_against_a_rival_who_never_answers_it_is_the_markup_rule_and_a_follower_makes_dearer_worth_while():
    alone = best_response(a_market(), CANDIDATES, certain(IGNORE), horizon=10)
    assert alone.price[0] == pytest.approx(6 * 4 / 3, abs=0.051) and alone.choice[0] == alone.choice_ignoring[0]
    assert alone.expected_rival_price[0] == pytest.approx(10)
    followed = best_response(a_market(), CANDIDATES, certain(FOLLOW), horizon=10)
    assert followed.price[0] > 10 > alone.price[0]  # with a follower demand falls by -1.5, and only after a period
    assert followed.profit[0] > followed.profit_ignoring[0] + 1
    assert followed.expected_rival_price[0] == pytest.approx(followed.price[0])


def test_a_rival_who_undercuts_makes_a_cut_worthless():
    found = best_response(a_market(), CANDIDATES, certain(UNDERCUT), horizon=30)
    assert found.price[0] > best_response(a_market(), CANDIDATES, certain(IGNORE), horizon=30).price[0]
    assert found.profit[0] >= found.profit_today[0] * 0.999 and found.profit[0] > found.profit_ignoring[0]


def test_in_one_period_nobody_can_answer_and_a_price_that_stays_is_not_answered():
    one = best_response(a_market(), CANDIDATES, certain(FOLLOW), horizon=1)
    assert one.choice[0] == one.choice_ignoring[0] and one.expected_rival_price[0] == 10
    still = best_response(a_market(), np.array([[10.0]]), certain(UNDERCUT), horizon=9)
    assert still.profit[0] == pytest.approx(still.profit_today[0])


def test_the_expectation_is_what_simulation_comes_to():
    response = learn_response(market_history(2), window=4)
    market = a_market(rival=[1], elasticity=[-3.0])
    rng, horizon, price = np.random.default_rng(3), 8, 9.2
    found = best_response(market, np.array([[price]]), response, horizon=horizon)
    change, draws = np.log(price / 10), 40_000
    kinds = rng.choice(3, p=response.probability[1, CUT], size=draws)
    lags = 1 + rng.choice(4, p=response.lag[1], size=draws)
    undercut = min(np.log(price) - response.undercut_by[1] - np.log(10), 0.0)
    shift = np.choose(kinds, [0.0, response.pass_through[1] * change, undercut])
    units = 100 * np.exp(-3.0 * change)
    before = np.where(kinds == IGNORE, horizon, np.minimum(lags, horizon))
    profit = (price - 6) * units * (before + (horizon - before) * np.exp(2.5 * shift))
    assert found.profit[0] == pytest.approx(profit.mean(), abs=4 * profit.std() / np.sqrt(draws))


def test_two_repricers_that_expect_each_other_to_follow_settle_above_cost():
    """Each in turn chooses its best response among steps of 5 %; prices come to rest, and not at the bottom."""
    prices, path = np.array([10.0, 10.0]), []
    response = certain(FOLLOW, pass_through=0.7)
    for turn in range(60):
        mover = turn % 2
        offers = prices[mover] * np.exp(np.linspace(-0.05, 0.05, 21))[None]
        market = a_market(price=[prices[mover]], rival_price=[prices[1 - mover]], demand=[100.0])
        prices[mover] = best_response(market, offers, response, horizon=20).price[0]
        path.append(prices.copy())
    last = np.array(path[-10:])
    assert np.ptp(last, axis=0).max() < 0.02 * last.mean() and last.min() > 6 * 1.15


def test_what_is_wrong_is_named_with_its_cure():
    with pytest.raises(ValueError, match="pair, period: give rows sorted"):
        RivalPanel(
            pair=np.array([0, 0]), rival=np.array([0]), period=np.array([2, 1]), own=np.zeros(2), theirs=np.zeros(2)
        )
    with pytest.raises(ValueError, match="pair: give 0 to 0"):
        RivalPanel(pair=np.array([1]), rival=np.array([0]), period=np.array([0]), own=np.zeros(1), theirs=np.zeros(1))
    with pytest.raises(ValueError, match="own: got shape"):
        RivalPanel(pair=np.array([0]), rival=np.array([0]), period=np.array([0]), own=np.zeros(3), theirs=np.zeros(1))
    with pytest.raises(ValueError, match="prices: got shape"):
        best_response(a_market(), np.ones((2, 3)), certain(IGNORE), horizon=1)
    with pytest.raises(ValueError, match="horizon: got 0"):
        best_response(a_market(), CANDIDATES, certain(IGNORE), horizon=0)


@pytest.mark.parametrize("every", [8, 30])
def test_how_often_we_move_does_not_change_what_rivals_are_like(every):
    rng, periods = np.random.default_rng(5), 4_000
    own, theirs, now, offer, due = np.zeros(periods), np.zeros(periods), 0.0, 0.0, -1
    for period in range(periods):
        if period % every == 2:
            now = 0.05 - now
            due = period + 2 if rng.random() < 0.2 else -1
        if period == due:
            offer = now
        own[period], theirs[period] = now, offer
    learned = learn_response(one_pair(own.tolist(), theirs.tolist()), window=4)
    assert learned.probability[0, :, IGNORE] == pytest.approx([0.8, 0.8], abs=0.12)


def test_a_large_move_after_a_tiny_one_of_ours_hardly_counts():
    own = [0, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0, 0.006, 0.006, 0.006]
    theirs = [0, 0, 0.1, 0.1, 0.1, 0, 0, 0, 0.4, 0.4]
    learned = learn_response(one_pair(own, theirs), window=2)
    assert learned.pass_through[0] == pytest.approx(1.0, abs=0.01)
