"""What was seen of arms, in the shape that policies learn from."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from experiments.stats.outcome_counts import OutcomeCounts

KEPT_EPOCHS = 100
"""Epochs are told apart for so long, twice as long at most; older ones are one."""

COUNTS_SQL = """
SELECT arm_id, greatest(epoch, %(first)s), sum(decided)::bigint, sum(purchases)::bigint, sum(rejections)::bigint
  FROM experiments_armcount
 WHERE arm_id = ANY(%(arms)s) AND epoch <= %(epoch)s
 GROUP BY 1, 2
"""
TOTALS_SQL = """
SELECT arm_id, sum(purchases)::bigint, sum(rejections)::bigint
  FROM experiments_armcount WHERE arm_id = ANY(%s) GROUP BY 1
"""


def epoch_of(moment: datetime) -> int:
    """Return the number of the epoch that a decision of this moment counts in."""
    return int(moment.timestamp()) // int(settings.BANDIT_EPOCH_SECONDS)


def oldest_epoch(epoch: int) -> int:
    """Return the epoch that all older ones count as; it moves on once in `KEPT_EPOCHS`, as moving costs time."""
    return (epoch // KEPT_EPOCHS - 1) * KEPT_EPOCHS


def outcome_counts(arms: NDArray[np.int64], *, epoch: int) -> OutcomeCounts:
    """Read the counts up to an epoch.

    Args:
        arms: (context, step) int64 keys of arms, 0 where a context has none.
        epoch: of today; epochs before `oldest_epoch` count as that one.
    """
    known = arms[arms > 0].tolist()
    with connection.cursor() as cursor:
        cursor.execute(COUNTS_SQL, {"arms": known, "first": oldest_epoch(epoch), "epoch": epoch})
        rows = cursor.fetchall()
    if not rows:
        return OutcomeCounts.empty(*arms.shape, first_epoch=epoch)
    found = np.array(rows, dtype=np.int64)
    first = int(found[:, 1].min())
    place = {int(key): at for at, key in enumerate(arms.ravel()) if key > 0}
    flat = (found[:, 1] - first) * arms.size + np.array([place[key] for key in found[:, 0].tolist()])
    tables = np.zeros((3, epoch - first + 1, *arms.shape), np.int64)
    for table, column in zip(tables, found[:, 2:].T, strict=True):
        table.ravel()[flat] = column
    return OutcomeCounts(first, *tables)


def arm_totals(arm_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return purchases and rejections of each arm that has any."""
    with connection.cursor() as cursor:
        cursor.execute(TOTALS_SQL, [list(arm_ids)])
        return {arm: (purchases, rejections) for arm, purchases, rejections in cursor.fetchall()}
