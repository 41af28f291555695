"""The web process under more requests than Postgres takes connections."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from tests.factories import make_api_key, make_listing, publish
from tests.flows.storefront import Storefront

REQUESTS, AT_ONCE = 400, 40


@pytest.mark.django_db(transaction=True)
def test_many_requests_are_answered_and_leave_no_connection_behind(web):
    publish(make_listing(sku="85123A"), "10.50")
    storefront = Storefront(web.url, make_api_key())
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        assert int(cursor.fetchone()[0]) < REQUESTS
    with ThreadPoolExecutor(AT_ONCE) as pool:
        paths = ["/api/v1/prices/85123A/history", "/api/v1/prices/85123A"] * (REQUESTS // 2)
        codes = list(pool.map(lambda path: storefront.call("GET", path)[0], paths))
    assert codes == [200] * REQUESTS
    # A connection is closed after its answer was sent: the last ones may still be at it.
    deadline = time.monotonic() + 30
    while open_connections() > 10:
        assert time.monotonic() < deadline, f"{open_connections()} connections are still open"
        time.sleep(0.1)


def open_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone()[0]
