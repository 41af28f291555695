"""Wait until another connection waits for a lock that this one holds."""

import time

from django.db import connection


def wait_until_somebody_waits() -> None:
    for _ in range(300):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.1)
    raise AssertionError("nobody waited for a lock in 30 seconds")
