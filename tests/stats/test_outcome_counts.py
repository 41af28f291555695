"""The state of every bandit policy: whole numbers that add up, in any order, and travel as JSON."""

import json
from itertools import pairwise

import numpy as np
import pytest

from experiments.stats.outcome_counts import OutcomeCounts


def outcomes(size=5_000, seed=1, contexts=7, arms=5, epochs=9):
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, contexts, size),
        rng.integers(0, arms, size),
        rng.random(size) < 0.3,
        rng.integers(0, epochs, size),
    )


def learned(batches, contexts=7, arms=5, first_epoch=0):
    counts = OutcomeCounts.empty(contexts, arms, first_epoch=first_epoch)
    for batch in batches:
        counts.learn(*batch)
    return counts


def test_every_outcome_is_counted_once_where_it_was_decided():
    batch = outcomes()
    counts = learned([batch])
    plain = np.zeros((2, 9, 7, 5), np.int64)
    for context, arm, bought, epoch in zip(*batch, strict=True):
        plain[int(bought), epoch, context, arm] += 1
    np.testing.assert_array_equal(counts.purchases, plain[1])
    np.testing.assert_array_equal(counts.rejections, plain[0])
    assert counts.decided.sum() == 0


def test_order_and_batches_do_not_matter():
    batch = outcomes()
    order = np.random.default_rng(2).permutation(len(batch[0]))
    shuffled = [part[order] for part in batch]
    cuts = [0, 1, 17, 900, 901, 5_000]
    in_parts = [[part[low:high] for part in shuffled] for low, high in pairwise(cuts)]
    assert learned(in_parts) == learned([batch])


def test_counts_of_two_consumers_add_up_exactly():
    batch = outcomes()
    halves = [[part[side::2] for part in batch] for side in (0, 1)]
    short = [part[batch[3] < 3][:50] for part in batch]
    assert learned(halves[:1]) + learned(halves[1:]) == learned([batch])
    assert learned([short]) + learned([batch]) == learned([batch, short])


def test_decisions_are_counted_apart_from_outcomes():
    counts = OutcomeCounts.empty(2, 2)
    counts.record_decisions([0, 0, 1], [1, 1, 0], [0, 2, 2])
    assert counts.decided.tolist() == [[[0, 1], [0, 0]], [[0, 0], [0, 0]], [[0, 1], [1, 0]]]
    assert counts.purchases.shape == counts.decided.shape
    assert counts.purchases.sum() == counts.rejections.sum() == 0


def test_json_and_back_is_the_same():
    counts = learned([outcomes()], first_epoch=0)
    counts.record_decisions([1, 2], [3, 4], [5, 6])
    assert OutcomeCounts.from_json(json.loads(json.dumps(counts.to_json()))) == counts


def test_merged_epochs_keep_their_outcomes_and_dropped_ones_do_not():
    merged, dropped = learned([outcomes()]), learned([outcomes()])
    total, late = merged.purchases.sum(axis=0), dropped.purchases[4:].sum(axis=0)
    merged.merge_before(4)
    dropped.drop_before(4)
    assert (merged.first_epoch, len(merged.purchases)) == (dropped.first_epoch, len(dropped.purchases)) == (4, 5)
    np.testing.assert_array_equal(merged.purchases.sum(axis=0), total)
    np.testing.assert_array_equal(dropped.purchases.sum(axis=0), late)


def test_an_outcome_older_than_the_first_epoch_counts_in_the_first():
    counts = OutcomeCounts.empty(1, 1, first_epoch=10)
    counts.learn([0], [0], [True], [3])
    counts.merge_before(40)
    assert (counts.first_epoch, counts.purchases.tolist()) == (40, [[[1]]])


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        (([2], [0], [True], [0]), "contexts"),
        (([0], [-1], [True], [0]), "arms"),
        (([0], [0.5], [True], [0]), "arms"),
        (([0], [0], [1], [0]), "purchased"),
        (([0], [0], [True], [10**9]), "epochs"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name_and_leaves_no_trace(batch, named):
    counts = OutcomeCounts.empty(2, 2)
    with pytest.raises(ValueError, match=named):
        counts.learn(*batch)
    assert counts == OutcomeCounts.empty(2, 2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": 2}, "format"),
        ({"first_epoch": "0"}, "first_epoch"),
        ({"purchases": [[[1.5]]]}, "purchases"),
        ({"rejections": [[[-1]]]}, "rejections"),
        ({"decided": [[[0], [0]]]}, "same shape"),
        ({"decided": [[[0], [0, 1]]]}, "decided"),
    ],
)
def test_a_state_that_is_none_is_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        OutcomeCounts.from_json(OutcomeCounts.empty(1, 1).to_json() | change)
