from decimal import Decimal

import pytest
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_channel, make_listing
from tests.optimizer.test_runs import finished

pytestmark = pytest.mark.django_db


def told(client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    samples = [each for family in text_string_to_metric_families(response.content.decode()) for each in family.samples]
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for each in samples}


def test_prometheus_hears_of_the_newest_run_of_each_channel(client):
    listings = [make_listing(list_price=Decimal(5 + number), unit_cost=Decimal("3.00")) for number in range(5)]
    other = make_listing(channel=make_channel("shop"))
    finished(*listings)
    run = finished(*listings)
    finished(other)
    metrics, web = told(client), (("channel", "web"),)
    numbers = run.guard_numbers
    assert metrics["revenue_impact", web] == numbers["revenue_shift"]
    assert metrics["run_listings", web] == 5
    assert metrics["run_listings", (("channel", "shop"),)] == 1
    assert metrics["gpu_batch_processing_time_seconds_count", (("device", "cpu"),)] == 3
    assert metrics["gpu_batch_processing_time_seconds_sum", (("device", "cpu"),)] > 0


def test_sizes_of_changes_are_counted_in_classes(client):
    listings = [make_listing(list_price=Decimal(price), unit_cost=Decimal("6.00")) for price in ("10", "11", "11.80")]
    run = finished(*listings)
    sizes, metrics = run.guard_numbers["changed_by_up_to"], told(client)
    assert list(sizes.values()) == sorted(sizes.values()) and sizes["0.2"] == run.guard_numbers["changed"] == 3
    assert sizes["0.01"] < 3
    for bound, count in [*sizes.items(), ("+Inf", 3)]:
        assert metrics["price_change_magnitude_bucket", (("channel", "web"), ("le", bound))] == count
    mean = metrics["price_change_magnitude_sum", (("channel", "web"),)] / 3
    assert mean == pytest.approx(run.guard_numbers["mean_size"])


def test_without_the_database_the_other_metrics_are_told(client):
    def away(*_):
        raise OperationalError("away")

    with connection.execute_wrapper(away):
        metrics = told(client)
    assert not any(name.startswith("run_") for name, _ in metrics)
    assert ("cache_hit_ratio", ()) in metrics
