import math
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from catalog.models import CompetitorPrice, Listing, WeeklySales
from catalog.models.listing import PriceSource
from catalog.selectors.pricing_facts import pricing_facts
from optimizer.features.definitions import FEATURES, NAMES, SNAPSHOTS
from optimizer.features.history import feature_records
from optimizer.features.online import stored_records
from optimizer.features.rows import PLACE
from optimizer.models import ElasticityEstimate, FeatureSnapshot
from optimizer.selectors.demand_bases import weeks_ahead
from optimizer.services import refresh_features as service
from optimizer.services.refresh_features import LOCK, RefreshUnderWay, refresh_features
from optimizer.tasks import refresh_feature_store
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.factories import make_fit
from tests.optimizer.features.rows import NOW, add_increment, begin_recording
from tests.optimizer.forecasters import make_forecast, make_forecaster

pytestmark = pytest.mark.django_db


def refresh(at=NOW):
    return refresh_features(channel=make_channel(), clock=lambda: at)


def features(listing, at=NOW):
    """Return what the history knows of a listing, by name; what is not known is left out."""
    record = feature_records(listing_ids=[listing.pk], moments=[at])[0]
    return {name: value for name, place in PLACE.items() if not math.isnan(value := record[place])}


def offer(listing, competitor, price, *, ago=timedelta(hours=1), **fields):
    return CompetitorPrice.objects.create(
        listing=listing, competitor=competitor, price=Decimal(price), observed_at=NOW - ago, **fields
    )


def sell(listing, week, units, revenue):
    WeeklySales.objects.create(listing=listing, week=week, units=units, revenue=revenue, price=1, orders=1)


def test_facts_of_price_and_stock_are_recorded_with_their_time():
    listing = make_listing(inventory=70, inventory_assumed=True)
    publish(listing, "12.00", source=PriceSource.OVERRIDE, now=timezone.now())
    Listing.objects.update(
        inventory_at=NOW - timedelta(days=2), unit_cost_at=NOW - timedelta(days=3), price_since=NOW - timedelta(days=1)
    )
    assert refresh().snapshots == 2
    found = features(listing)
    assert [found[name] for name in ("price", "list_price", "unit_cost", "margin", "unit_cost_assumed")] == [
        *(12.0, 10.0, 6.0, 0.5, 0.0)
    ]
    assert found["price_at"] == (NOW - timedelta(days=1)).timestamp()
    assert (found["inventory"], found["inventory_assumed"]) == (70, 1)
    assert found["stock_at"] == (NOW - timedelta(days=2)).timestamp()


def test_an_unknown_cost_or_stock_is_unknown_and_not_zero():
    listing = make_listing(unit_cost=None, inventory=None)
    refresh()
    found = features(listing)
    assert found["price"] == 10.0
    assert not found.keys() & {"unit_cost", "margin", "unit_cost_assumed", "inventory", "inventory_assumed"}


def test_competitors_are_those_that_the_guardrails_believe():
    listing = make_listing(list_price=Decimal("10.00"))
    offer(listing, "a", "9.00", ago=timedelta(hours=5))
    offer(listing, "b", "11.00", assumed=True)
    offer(listing, "c", "12.00")
    offer(listing, "absurd", "1.00")
    offer(listing, "stale", "8.00", ago=timedelta(days=15))
    offer(listing, "from tomorrow", "9.50", ago=timedelta(days=-1))
    refresh()
    found = features(listing)
    facts = pricing_facts(channel=listing.channel, listings=Listing.objects.select_related("product"), now=NOW)
    assert found["competitor_median"] == float(facts.competitors[listing.pk][0]) == 11.0
    assert (found["competitor_min"], found["competitor_count"]) == (9.0, 3)
    assert found["competitor_price_index"] == pytest.approx(10 / 11)
    assert found["competitor_min_seen_at"] == (NOW - timedelta(hours=5)).timestamp()
    assert found["competitor_assumed"] == 1
    assert found["competitors_at"] == (NOW - timedelta(hours=1)).timestamp()


def test_no_offer_that_can_be_believed_is_none_but_no_offer_at_all_is_unknown():
    listing, bare = make_listing(), make_listing()
    offer(listing, "stale", "8.00", ago=timedelta(days=15))
    refresh()
    assert features(listing)["competitor_count"] == 0 and "competitor_min" not in features(listing)
    assert "competitor_count" not in features(bare)


def test_an_offer_grows_stale_as_time_passes():
    listing = make_listing()
    offer(listing, "a", "9.00")
    refresh()
    refresh(NOW + timedelta(days=14))
    assert features(listing)["competitor_count"] == 1
    assert features(listing, NOW + timedelta(days=14))["competitor_count"] == 0


def test_demand_at_the_price_in_force_is_the_optimisers():
    from optimizer.services.recommendations import pricing_inputs

    listing = make_listing(inventory=100)
    fit = make_fit(listing.channel, [listing], base_demand=40.0, sd=0.3)
    publish(listing, "11.50")
    refresh()
    facts = pricing_facts(channel=listing.channel, listings=Listing.objects.select_related("product"), now=NOW)
    inputs = pricing_inputs(facts, list(ElasticityEstimate.objects.filter(fit=fit)))
    found = features(listing)
    assert found["forecast_units"] == pytest.approx(inputs.demand[0], rel=1e-12)
    assert found["forecast_log_sd"] == pytest.approx(inputs.log_demand_sd[0], rel=1e-12)
    assert found["forecast_revenue"] == pytest.approx(11.5 * inputs.demand[0], rel=1e-12)
    assert found["forecast_cover"] == pytest.approx(100 / inputs.demand[0], rel=1e-12)
    assert [found[name] for name in ("elasticity_mean", "elasticity_sd", "elasticity_shrinkage")] == [-2.0, 0.3, 0.6]
    assert (found["elasticity_informed"], found["reference_price"], found["base_demand"]) == (1, 10.0, 40.0)
    assert found["elasticity_at"] == pytest.approx(fit.created_at.timestamp(), abs=1e-6)


def a_week_ahead(listing, **fields):
    forecaster = make_forecaster(listing.channel, step=fields.pop("step", "day"), held_out_from=date(2011, 6, 1))
    return make_forecast(listing, forecaster, from_day=date(2011, 6, 27), **fields)


def test_a_fresh_forecast_states_the_level_of_demand_for_features_and_runs_alike():
    from optimizer.selectors.estimates import estimates_of
    from optimizer.services.recommendations import pricing_inputs

    listing = make_listing(inventory=100)
    fit = make_fit(listing.channel, [listing], sd=0.3)
    publish(listing, "11.50")
    stored = a_week_ahead(listing, prices=[8.0] + [10.0] * 27)
    refresh()
    known = estimates_of(fit=fit, first_pk=listing.pk, last_pk=listing.pk)[listing.pk]
    assert (known.reference_price, known.forecast.forecaster) == (8.0, str(stored.forecaster))
    assert known.base_demand == pytest.approx(5 * (1 + 6 * (8 / 10) ** -2))
    facts = pricing_facts(channel=listing.channel, listings=Listing.objects.select_related("product"), now=NOW)
    inputs, found = pricing_inputs(facts, [known]), features(listing)
    assert found["forecast_units"] == pytest.approx(inputs.demand[0], rel=1e-12)
    assert found["forecast_units"] == pytest.approx(known.base_demand * (11.5 / 8) ** -2, rel=0.02)
    assert found["forecast_log_sd"] == pytest.approx(inputs.log_demand_sd[0], rel=1e-12)
    assert found["forecast_cover"] == pytest.approx(100 / inputs.demand[0]) and found["forecast_stored"] == 1
    assert found["forecast_at"] == pytest.approx(stored.made_at.timestamp(), abs=1e-5)


def test_weeks_are_taken_before_days():
    listing = make_listing()
    fit = make_fit(listing.channel, [listing])
    a_week_ahead(listing)
    a_week_ahead(listing, step="week", steps=4)
    assert weeks_ahead(fit=fit, first_pk=listing.pk, last_pk=listing.pk)[listing.pk].units == 5.0


@pytest.mark.parametrize(
    "fields", [{"from_day": date(2011, 6, 20)}, {"expected": []}, {"expected": [0.0] * 28}], ids=["old", "none", "zero"]
)
def test_the_fit_states_it_where_the_forecast_is_stale_or_says_nothing(fields):
    listing = make_listing()
    fit = make_fit(listing.channel, [listing])
    make_forecast(listing, make_forecaster(listing.channel), **{"from_day": date(2011, 6, 27)} | fields)
    refresh()
    assert weeks_ahead(fit=fit, first_pk=listing.pk, last_pk=listing.pk) == {}
    found = features(listing)
    assert (found["forecast_units"], found["forecast_stored"]) == (40.0, 0.0)
    assert found["forecast_at"] == pytest.approx(fit.created_at.timestamp(), abs=1e-5)


def test_a_newer_fit_that_lost_a_listing_leaves_its_elasticity_unknown():
    listing, other = make_listing(), make_listing()
    make_fit(listing.channel, [listing, other])
    refresh(NOW)
    make_fit(listing.channel, [other])
    refresh(NOW + timedelta(minutes=5))
    assert "elasticity_mean" in features(listing) and "forecast_units" in features(listing)
    later = features(listing, NOW + timedelta(minutes=5))
    assert not later.keys() & {"elasticity_mean", "forecast_units", "elasticity_at"}


def test_weekly_sales_are_summed_back_from_the_channels_newest_week():
    listing, idle = make_listing(), make_listing()
    newest = date(2026, 11, 9)
    units = {0: 5, 3: 7, 4: 11, 12: 13, 13: 17}
    for age, sold in units.items():
        sell(listing, newest - timedelta(weeks=age), sold, 2 * sold)
    refresh()
    found = features(listing)
    assert [found[f"weekly_units_{weeks}w"] for weeks in (1, 4, 13)] == [5, 12, 36]
    assert (found["weekly_revenue_4w"], found["weekly_revenue_13w"], found["weekly_price_4w"]) == (24, 72, 2)
    assert found["weekly_weeks_sold_13w"] == 4
    assert found["weekly_sales_at"] == timezone.datetime.fromisoformat("2026-11-16T00:00:00+00:00").timestamp()
    assert features(idle)["weekly_units_13w"] == 0 and "weekly_price_4w" not in features(idle)


def test_more_weeks_than_were_imported_are_unknown():
    listing = make_listing()
    for age in range(5):
        sell(listing, date(2026, 11, 9) - timedelta(weeks=age), 1, 1)
    refresh()
    found = features(listing)
    assert found["weekly_units_4w"] == 4
    assert not found.keys() & {"weekly_units_13w", "weekly_revenue_13w", "weekly_weeks_sold_13w"}


def test_what_did_not_change_is_not_written_again():
    listing = make_listing()
    make_fit(listing.channel, [listing])
    offer(listing, "a", "9.00")
    assert refresh().snapshots == 5
    assert refresh(NOW + timedelta(minutes=5)).snapshots == 0
    Listing.objects.update(inventory=3)
    assert refresh(NOW + timedelta(minutes=10)).snapshots == 2  # stock, and the weeks that it covers
    assert features(listing)["inventory"] == 500
    assert features(listing, NOW + timedelta(minutes=10))["inventory"] == 3


def test_a_snapshot_is_stamped_after_its_source_was_read(monkeypatch):
    """Or a frame for the moment between would hold a fact that nobody knew then."""
    make_listing()
    times = iter(NOW + timedelta(seconds=second) for second in range(100))
    read_at = []
    read = service.changed_facts
    monkeypatch.setattr(service, "changed_facts", lambda **rest: (read(**rest), read_at.append(rest["now"]))[0])
    refresh_features(channel=make_channel(), clock=lambda: next(times))
    for group, begun in zip(SNAPSHOTS, read_at, strict=True):
        assert all(row.known_at > begun for row in FeatureSnapshot.objects.filter(feature_group=group.name))
    assert FeatureSnapshot.objects.count() == 2


def test_every_listing_is_served_in_chunks_and_windows_shrink_as_time_passes(monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 2)
    listings = [make_listing() for _ in range(5)]
    make_listing(is_active=False)
    begin_recording(listings[0].channel)
    add_increment(listings[3], happened_at=NOW - timedelta(minutes=30), views=1)
    seen = []
    done = refresh_features(
        channel=listings[0].channel, clock=lambda: NOW, progress=lambda done, total: seen.append((done, total))
    )
    assert (done.listings, done.served, seen) == (5, 5, [(2, 5), (4, 5), (5, 5)])
    skus = [listing.product.sku for listing in listings]
    assert stored_records(channel="web", skus=skus)[:, PLACE["views_1h"]].tolist() == [0, 0, 0, 1, 0]
    refresh(NOW + timedelta(hours=1))
    records = stored_records(channel="web", skus=skus)
    assert records[3, PLACE["views_1h"]] == 0 and records[3, PLACE["views_24h"]] == 1
    assert records[3, PLACE["at"]] == (NOW + timedelta(hours=1)).timestamp()


def test_killed_between_chunks_and_repeated_it_has_written_everything_once(monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 2)
    for _ in range(5):
        make_listing()
    serve = service.store_records

    def die(*, skus, **rest):
        if FeatureSnapshot.objects.count() > 4:
            raise KeyboardInterrupt
        return serve(skus=skus, **rest)

    monkeypatch.setattr(service, "store_records", die)
    with pytest.raises(KeyboardInterrupt):
        refresh()
    monkeypatch.setattr(service, "store_records", serve)
    assert refresh(NOW + timedelta(minutes=5)).snapshots == 2
    assert (
        FeatureSnapshot.objects.count()
        == FeatureSnapshot.objects.values("listing", "feature_group").distinct().count()
        == 10
    )


def test_online_and_training_values_are_the_same():
    listing = make_listing()
    make_fit(listing.channel, [listing])
    offer(listing, "a", "9.00")
    for age in range(13):
        sell(listing, date(2026, 11, 9) - timedelta(weeks=age), 3, 30)
    begin_recording(listing.channel)
    add_increment(listing, happened_at=NOW - timedelta(days=3), views=1, requests=42)
    refresh()
    online = stored_records(channel="web", skus=[listing.product.sku])
    np.testing.assert_array_equal(online, feature_records(listing_ids=[listing.pk], moments=[NOW]))
    known = [name for name in NAMES if not math.isnan(online[0, PLACE[name]])]
    assert len(known) == len(FEATURES)  # all fifty can be known at once


def test_without_redis_the_history_is_written_all_the_same(redis_away):
    make_listing()
    done = refresh()
    assert (done.snapshots, done.served) == (2, 0)


def test_two_at_once_would_mix_their_readings_so_the_second_one_leaves_it_to_the_first():
    channel = make_channel()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, channel.pk])
            with pytest.raises(RefreshUnderWay, match="'web'"):
                refresh()
            refresh_feature_store()  # the task leaves it at that
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, channel.pk])
        assert refresh().listings == 0
        assert refresh().listings == 0  # it let go of the channel by itself
    finally:
        other.close()


def test_the_task_refreshes_every_channel():
    listings = [make_listing(), make_listing(channel=make_channel("de", currency="EUR", country="DE"))]
    refresh_feature_store()
    for listing in listings:
        record = stored_records(channel=listing.channel.code, skus=[listing.product.sku])[0]
        assert record[PLACE["list_price"]] == 10.0


def test_the_command_says_what_it_did(capsys):
    make_listing()
    call_command("refresh_features")
    assert "features: 1 listings, 2 changes recorded, 1 online records" in capsys.readouterr().out


def test_the_command_names_the_channels_there_are():
    make_channel()
    with pytest.raises(CommandError, match="channels: web") as error:
        call_command("refresh_features", channel="shop")
    assert error.value.returncode == 2
