"""Joint prices equal a search over all combinations of candidates."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.engine.price_groups import (
    PADDING,
    QualityLadder,
    SizeLadder,
    nearest_common,
    solve_families,
    solve_ladders,
)


def missed_quality(lower, upper, amount, rate_bp):
    highest = min(upper - max(1, amount), upper * 10_000 // (10_000 + rate_bp))
    return max(0, lower - highest)


def missed_size(lower, upper, small, large):
    lowest = -(-upper * small // large)
    return max(0, lowest - lower) + max(0, lower - upper)


def by_all_combinations(ticks, score, missed):
    """Return the least sum of shortfalls and, with it, the highest sum of scores."""
    found = []
    for chosen in itertools.product(*(range(len(each)) for each in ticks)):
        prices = [each[k] for each, k in zip(ticks, chosen, strict=True)]
        short = sum(missed(pair, prices[pair], prices[pair + 1]) for pair in range(len(prices) - 1))
        found.append((short, -sum(each[k] for each, k in zip(score, chosen, strict=True))))
    return min(found)


def padded(groups, fill, dtype):
    width = max(len(member) for group in groups for member in group)
    return np.array([[[*member, *[fill] * (width - len(member))] for member in group] for group in groups], dtype=dtype)


def scores(ticks, seed):
    rng = np.random.default_rng(seed)
    return [[list(rng.integers(0, 50, len(member)) / 4) for member in group] for group in ticks]


candidates = st.lists(st.integers(1, 60), min_size=1, max_size=5, unique=True).map(sorted)


def groups_of(members):
    return st.lists(st.tuples(*[candidates] * members), min_size=1, max_size=12)


some_groups = st.integers(1, 4).flatmap(groups_of)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ticks=some_groups, seed=st.integers(0, 10**6), data=st.data())
def test_a_quality_ladder_is_the_best_of_all_combinations(ticks, seed, data):
    score, pairs = scores(ticks, seed), len(ticks[0]) - 1
    draw = st.lists(
        st.lists(st.integers(0, 12), min_size=pairs, max_size=pairs), min_size=len(ticks), max_size=len(ticks)
    )
    amount, rate = data.draw(draw), [[each * 150 for each in row] for row in data.draw(draw)]
    ladder = QualityLadder(
        *(torch.tensor(each, dtype=torch.int64).reshape(len(ticks), pairs) for each in (amount, rate))
    )
    found = solve_ladders(padded(ticks, PADDING, np.int64), padded(score, 0.0, np.float64), ladder)
    for row, group in enumerate(ticks):
        short, least = by_all_combinations(
            group,
            score[row],
            lambda pair, low, up, row=row: missed_quality(low, up, amount[row][pair], rate[row][pair]),
        )
        assert found.shortfall[row].sum() == short
        assert found.score[row] == pytest.approx(-least, rel=1e-12)
        assert all(price in member for price, member in zip(found.price[row], group, strict=True))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ticks=some_groups, seed=st.integers(0, 10**6), data=st.data())
def test_a_size_ladder_is_the_best_of_all_combinations(ticks, seed, data):
    members = len(ticks[0])
    rising = st.lists(st.integers(1, 40), min_size=members, max_size=members, unique=True).map(sorted)
    sizes = data.draw(st.lists(rising, min_size=len(ticks), max_size=len(ticks)))
    score = scores(ticks, seed)
    found = solve_ladders(
        padded(ticks, PADDING, np.int64), padded(score, 0.0, np.float64), SizeLadder(torch.tensor(sizes))
    )
    for row, group in enumerate(ticks):
        size = sizes[row]
        short, least = by_all_combinations(
            group, score[row], lambda pair, low, up, size=size: missed_size(low, up, size[pair], size[pair + 1])
        )
        assert found.shortfall[row].sum() == short
        assert found.score[row] == pytest.approx(-least, rel=1e-12)


def test_a_kept_size_ladder_is_never_dearer_per_unit_however_large_the_numbers():
    price = 10**12
    ticks = np.array([[[price // 2, price // 2 + 1], [price, price + 1]]])
    score = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    found = solve_ladders(ticks, score, SizeLadder(torch.tensor([[499_999_999, 999_999_998]])))
    assert found.price.tolist() == [[price // 2 + 1, price + 1]] or found.price.tolist() == [[price // 2, price]]
    assert 999_999_998 * int(found.price[0, 0]) >= 499_999_999 * int(found.price[0, 1])


def test_a_ladder_that_cannot_be_kept_names_the_pair_and_gets_as_near_as_it_can():
    ticks = np.array([[[100, 110], [200, 210], [150, 160]]])
    score = np.array([[[0.0, 9.0], [0.0, 9.0], [9.0, 0.0]]])
    steps = torch.full((1, 2), 5)
    found = solve_ladders(ticks, score, QualityLadder(steps, torch.zeros_like(steps)))
    assert found.price.tolist() == [[110, 200, 160]]
    assert found.shortfall.tolist() == [[0, 45]]


def test_many_groups_in_several_batches_equal_each_alone(monkeypatch):
    monkeypatch.setattr("optimizer.engine.price_groups.ENTRIES_AT_A_TIME", 40)
    rng = np.random.default_rng(5)
    ticks = np.sort(rng.integers(1, 10**6, (50, 4, 9)), axis=2)
    score, size = (
        rng.normal(size=ticks.shape),
        torch.from_numpy(np.sort(rng.integers(1, 99, (50, 4)) * 4 + [0, 1, 2, 3])),
    )
    together = solve_ladders(ticks, score, SizeLadder(size))
    for row in range(50):
        alone = solve_ladders(ticks[row : row + 1], score[row : row + 1], SizeLadder(size[row : row + 1]))
        assert alone.price.tolist() == together.price[row : row + 1].tolist()


def test_a_member_without_a_candidate_is_an_error():
    ladder = SizeLadder(torch.tensor([[1, 2]]))
    with pytest.raises(ValueError, match="no candidate"):
        solve_ladders(np.array([[[PADDING], [5]]]), np.zeros((1, 2, 1)), ladder)
    with pytest.raises(ValueError, match="no common candidate"):
        solve_families(np.array([[PADDING]]), np.zeros((1, 2, 1)))


def test_a_family_takes_the_price_with_the_highest_sum():
    ticks = np.array([[10, 11, PADDING], [7, 8, 9]])
    score = np.array([[[5.0, 1.0, 99.0], [0.0, 3.9, 99.0]], [[1.0, 2.0, 0.0], [1.0, 0.0, 3.0]]])
    found = solve_families(ticks, score)
    assert found.price.tolist() == [[10, 10], [9, 9]] and found.score.tolist() == [5.0, 3.0]


interval = st.tuples(st.integers(1, 30), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows=st.lists(interval, min_size=2, max_size=5))
def test_a_family_without_a_common_price_keeps_hard_rules_and_is_as_near_as_any(rows):
    lower = np.array([[10 + start for start, *_ in rows]])
    upper = lower + np.array([[width for _, width, *_ in rows]])
    hard_lower = lower - np.array([[below for _, _, below, _ in rows]])
    hard_upper = upper + np.array([[above for *_, above in rows]])
    price = nearest_common(lower, upper, hard_lower, hard_upper)
    assert (price >= hard_lower).all() and (price <= hard_upper).all()
    common = range(int(hard_lower.max()), int(hard_upper.min()) + 1)

    def distance(each, low, high):
        return int(np.maximum(0, np.maximum(low - each, each - high)).sum())

    if common:
        assert len(set(price[0])) == 1
        assert distance(price, lower, upper) == min(distance(each, lower, upper) for each in common)
    else:
        best = min(distance(each, hard_lower, hard_upper) for each in range(1, 100))
        assert best == min(
            int(np.abs(np.clip(each, hard_lower, hard_upper) - each).sum())
            for each in range(int(price.min()), int(price.max()) + 1)
        )
