"""Walk: a run opened through the API, computed by a worker, published through the gate and served with its reason."""

import time
from pathlib import Path
from typing import Any

import pytest

from catalog.models import PriceChange
from tests.factories import make_api_key, make_listing
from tests.flows.storefront import Storefront
from tests.optimizer.factories import make_fit

WAIT_SECONDS = 90


def finished_run(storefront: Storefront, path: str) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        _, run = storefront.call("GET", path)
        if run["finished_at"]:
            return run
        time.sleep(0.2)
    raise AssertionError(f"the run is still {run['status']}: {run}")


def memory_maps(pid: int) -> str:
    """Return the files that a process and its children have mapped."""
    tree = [pid, *(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    return "".join(Path(f"/proc/{each}/maps").read_text() for each in tree)


@pytest.mark.django_db(transaction=True)
def test_a_run_through_the_api_ends_in_served_explained_prices(web, start):
    listings = [make_listing(sku=f"1000{n}A") for n in range(3)]
    without_cost = make_listing(sku="20000A", unit_cost=None)
    make_fit(listings[0].channel, [*listings, without_cost])
    storefront = Storefront(web.url, make_api_key())
    start("celery", "-A", "pricing_site", "worker", "-Q", "celery,gpu", "-c", "1", "--loglevel", "info")

    runs, once = "/api/v1/optimization-runs", {"Idempotency-Key": "a"}
    status, run = storefront.call("POST", runs, {"objective": "profit"}, **once)
    assert status == 202 and run["progress"] == {"chunks": 1, "done": 0, "published": 0}
    status, again = storefront.call("POST", runs, {"objective": "profit"}, **once)
    assert (status, again["id"]) == (202, run["id"])
    status, problem = storefront.call("POST", runs, {}, **once)
    assert (status, problem["type"]) == (422, "urn:pricing:problem:idempotency-key-reused")

    path = f"{runs}/{run['id']}"
    run = finished_run(storefront, path)
    assert run["status"] == "succeeded" and run["guard_numbers"]["outcomes"] == {"published": 3, "unpriced": 1}
    _, results = storefront.call("GET", path + "/results")
    assert {row["sku"] for row in results["results"]} == {"10000A", "10001A", "10002A"}
    _, errors = storefront.call("GET", path + "/errors")
    assert errors["results"] == [{"sku": "20000A", "outcome": "unpriced", "reason": "missing_cost"}]

    for listing in listings:
        sku = listing.product.sku
        _, price = storefront.call("GET", f"/api/v1/prices/{sku}")
        _, explanation = storefront.call("GET", f"/api/v1/prices/{sku}/explanation")
        assert price["source"] == "optimizer" and price["price"] == explanation["change"]["price"]
        assert explanation["replay"]["matches"] and explanation["replay"]["price"] == price["price"]
    _, list_price = storefront.call("GET", "/api/v1/prices/20000A")
    assert (list_price["source"], list_price["price"]) == ("list_price", "10.00")
    _, explanation = storefront.call("GET", "/api/v1/prices/20000A/explanation")
    assert explanation["change"] is None and explanation["latest_run"]["outcome_reason"] == "missing_cost"
    assert PriceChange.objects.count() == 3
    # Everything above went through this web process: it must never have loaded the engine's libraries.
    maps = memory_maps(web.process.pid)
    assert "libpython" in maps or "python3" in maps
    assert "torch" not in maps and "cupy" not in maps
