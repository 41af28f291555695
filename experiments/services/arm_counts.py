"""Move the counts of arms; increments only, so that processes which learn at once add up."""

from collections import Counter
from collections.abc import Mapping

from django.db import connection

from experiments.selectors.arm_counts import oldest_epoch

ArmEpoch = tuple[int, int]

# In key order, so that two processes that share arms wait for each other and do not deadlock.
ADD_SQL = """
INSERT INTO experiments_armcount AS known (arm_id, epoch, decided, purchases, rejections)
SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[]) AS news(arm, epoch)
 ORDER BY arm, epoch
    ON CONFLICT (arm_id, epoch) DO UPDATE
   SET decided = known.decided + excluded.decided, purchases = known.purchases + excluded.purchases,
       rejections = known.rejections + excluded.rejections
"""
MERGE_SQL = """
WITH old AS (DELETE FROM experiments_armcount WHERE epoch < %(first)s RETURNING *)
INSERT INTO experiments_armcount AS known (arm_id, epoch, decided, purchases, rejections)
SELECT arm_id, %(first)s, sum(decided), sum(purchases), sum(rejections) FROM old GROUP BY arm_id ORDER BY arm_id
    ON CONFLICT (arm_id, epoch) DO UPDATE
   SET decided = known.decided + excluded.decided, purchases = known.purchases + excluded.purchases,
       rejections = known.rejections + excluded.rejections
"""


def add_counts(
    *,
    decided: Mapping[ArmEpoch, int] = Counter(),
    purchases: Mapping[ArmEpoch, int] = Counter(),
    rejections: Mapping[ArmEpoch, int] = Counter(),
) -> None:
    """Add to the counts of (arm, epoch of the decision); a number may be negative, where something is taken back."""
    keys = sorted({*decided, *purchases, *rejections})
    if keys:
        tables = [[table.get(key, 0) for key in keys] for table in (decided, purchases, rejections)]
        with connection.cursor() as cursor:
            cursor.execute(ADD_SQL, [[arm for arm, _ in keys], [epoch for _, epoch in keys], *tables])


def merge_old_epochs(*, epoch: int) -> None:
    """Make one row of the epochs that nobody tells apart any more; policies see the same before and after."""
    with connection.cursor() as cursor:
        cursor.execute(MERGE_SQL, {"first": oldest_epoch(epoch)})
