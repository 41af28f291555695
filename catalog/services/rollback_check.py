"""Keep prices of a run from coming into force once it was rolled back, also those that are under way meanwhile.

A publisher holds its run's lock shared until its commit, a rollback holds it alone: it waits for publishers in flight
and then sees all that they published, and whoever publishes later sees the rollback. Take it before any listing's lock.
"""

from uuid import UUID

from django.db import connection

from catalog.models import RunRollback

REFUSAL = "rolled_back"
LOCKS = 7_203_851  # the space of these locks; the run's id is hashed into it


def is_rolled_back(run_id: UUID) -> bool:
    """Tell whether a run was rolled back; it will not be before this transaction ends."""
    _lock("pg_advisory_xact_lock_shared", run_id)
    return RunRollback.objects.filter(run_id=run_id).exists()


def wait_for_publishers(run_id: UUID) -> None:
    """Wait for those who publish prices of a run, and keep others waiting until this transaction ends."""
    _lock("pg_advisory_xact_lock", run_id)


def _lock(function: str, run_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, hashtext(%s))", [LOCKS, str(run_id)])
