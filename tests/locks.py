"""Whether another connection to the test's database waits for a lock, such as one that this one holds."""

import time

from django.db import connection


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Elsewhere a transaction sees activity as it was when it first looked; other tests' databases are none of ours.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return cursor.fetchone() is not None


def wait_until_somebody_waits() -> None:
    for _ in range(300):
        if somebody_waits_for_a_lock():
            return
        time.sleep(0.1)
    raise AssertionError("nobody waited for a lock in 30 seconds")
