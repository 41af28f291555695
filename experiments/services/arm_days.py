"""Keep the sums of arms in step with what units did, to the last digit."""

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from django.db import connection, transaction

from experiments.models import ArmDay, PriceExperiment, UnitState
from experiments.selectors.arm_moments import CHANGES_SQL, SUMS, arm_day_changes, changes_query

# In key order: two writers that share arms wait for each other and do not deadlock.
ADD_SQL = """
INSERT INTO experiments_armday AS known
       (arm_id, metric, day, exposures, count, sum_y, sum_y2, sum_x, sum_x2, sum_xy)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[], %s::bigint[],
                     %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
    AS news (arm, metric, day)
 ORDER BY arm, metric, day
    ON CONFLICT (arm_id, metric, day) DO UPDATE
   SET exposures = known.exposures + excluded.exposures, count = known.count + excluded.count,
       sum_y = known.sum_y + excluded.sum_y, sum_y2 = known.sum_y2 + excluded.sum_y2,
       sum_x = known.sum_x + excluded.sum_x, sum_x2 = known.sum_x2 + excluded.sum_x2,
       sum_xy = known.sum_xy + excluded.sum_xy
"""
REBUILD_SQL = f"""
INSERT INTO experiments_armday (arm_id, metric, day, {", ".join(SUMS)}) {CHANGES_SQL}
"""
NEW_STATES_SQL = """
INSERT INTO experiments_unitstate (experiment_id, unit, arm_id, covariate)
SELECT %s, unit, arm, covariate FROM unnest(%s::text[], %s::bigint[], %s::numeric[]) AS news (unit, arm, covariate)
 ORDER BY unit ON CONFLICT (experiment_id, unit) DO NOTHING
"""


def keep_experiment(experiment: PriceExperiment) -> None:
    """Let nobody rebuild its sums until the transaction ends; other writers go on. Every writer calls it first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM experiments_priceexperiment WHERE id = %s FOR KEY SHARE", [experiment.pk])


def locked_states(
    *, experiment: PriceExperiment, arms: dict[str, int], covariates: dict[str, str | None]
) -> dict[str, UnitState]:
    """Make the states of units that have none, and lock all of these until the end of the transaction."""
    units = sorted(arms)
    with connection.cursor() as cursor:
        columns: list[Any] = [units, [arms[unit] for unit in units], [covariates.get(unit) for unit in units]]
        cursor.execute(NEW_STATES_SQL, [experiment.pk, *columns])
    states = UnitState.objects.filter(experiment=experiment, unit__in=units)
    return {state.unit: state for state in states.select_for_update(of=("self",)).order_by("unit")}


@contextlib.contextmanager
def keeping_arm_days(experiment: PriceExperiment, units: Collection[str]) -> Iterator[None]:
    """Add to `ArmDay` what the body changes in these units' facts. The caller has locked their states."""
    before = arm_day_changes(experiment, units)
    yield
    after = arm_day_changes(experiment, units)
    nothing: tuple[Any, ...] = (0,) * len(SUMS)
    moved = {
        key: [new - old for new, old in zip(after.get(key, nothing), before.get(key, nothing), strict=True)]
        for key in sorted(before.keys() | after.keys())
    }
    rows = [(*key, *sums) for key, sums in moved.items() if any(sums)]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(ADD_SQL, [list(column) for column in zip(*rows, strict=True)])


@transaction.atomic
def recompute_arm_days(*, experiment: PriceExperiment) -> int:
    """Rebuild the sums from the units' days; return the rows. Writers of the experiment wait meanwhile."""
    PriceExperiment.objects.select_for_update().get(pk=experiment.pk)
    ArmDay.objects.filter(arm__experiment=experiment).delete()
    with connection.cursor() as cursor:
        cursor.execute(REBUILD_SQL, changes_query(experiment, None))
        return cursor.rowcount
