from datetime import UTC, timedelta

import numpy as np
import pytest
from redis import Redis

from catalog.selectors.channels import UnknownChannel
from optimizer.features import online
from optimizer.features.definitions import COLUMNS, GROUPS, NAMES
from optimizer.features.online import store_records, stored_records
from optimizer.features.rows import PLACE
from optimizer.features.serving import online_features
from optimizer.services.refresh_features import refresh_features
from tests.factories import make_channel, make_listing
from tests.optimizer.features.rows import NOW, add_increment, begin_recording

pytestmark = pytest.mark.django_db


def served(*skus, now=NOW, **rest):
    return online_features(channel="web", skus=list(skus), now=now, **rest)


def redis(settings):
    return Redis.from_url(settings.REDIS_URL)


def records_of(number, *, at=NOW):
    records = np.random.default_rng(0).normal(size=(number, len(COLUMNS)))
    records[:, 0] = at.timestamp()
    return records


def test_the_features_of_a_sku_come_from_redis_with_their_times(django_assert_num_queries):
    listing = make_listing("A")
    begin_recording(listing.channel)
    add_increment(listing, happened_at=NOW - timedelta(minutes=5), views=1, requests=42)
    refresh_features(channel=listing.channel, clock=lambda: NOW)
    with django_assert_num_queries(0):
        found = served("A", now=NOW + timedelta(minutes=1))
    assert found.rows.names == NAMES
    values = dict(zip(NAMES, found.rows.values[0].tolist(), strict=True))
    assert (values["views_1h"], values["requests_1h"], values["units_28d"], values["price"]) == (1, 42, 0, 10)
    assert np.isnan(values["elasticity_mean"])
    assert found.rows.at[0] == NOW.timestamp()
    times = dict(zip((group.name for group in GROUPS), found.rows.group_times[0], strict=True))
    assert times["stock"] == pytest.approx(listing.inventory_at.timestamp(), abs=1e-6)


def test_a_thousand_skus_are_read_in_one_round_trip(settings):
    skus = [f"SKU-{number}" for number in range(1_000)]
    written = records_of(1_000)
    assert store_records(channel="web", skus=skus, records=written)
    online._connection.cache_clear()  # a connection of its own, whose first commands are counted too
    client = redis(settings)
    client.config_resetstat()
    found = served(*reversed(skus))
    calls = {name: row["calls"] for name, row in client.info("commandstats").items()}
    assert calls.pop("cmdstat_mget") == 1
    reads = {name for name in calls if "get" in name or "eval" in name or "hget" in name}
    assert reads - {"cmdstat_config|resetstat"} == set()
    np.testing.assert_array_equal(found.rows.values, written[::-1, PLACE[NAMES[0]] :])
    assert found.unknown_skus == []


def test_chosen_features_come_in_the_order_asked():
    store_records(channel="web", skus=["A"], records=records_of(1))
    every, chosen = served("A"), served("A", features=["price", "views_1h"])
    assert chosen.rows.names == ("price", "views_1h")
    places = [NAMES.index("price"), NAMES.index("views_1h")]
    assert chosen.rows.values[0].tolist() == every.rows.values[0, places].tolist()


def test_what_redis_lacks_comes_from_postgres_and_is_put_back(django_assert_num_queries, settings):
    for sku in ("A", "B"):
        make_listing(sku)
    refresh_features(channel=make_channel(), clock=lambda: NOW)
    redis(settings).delete(online._keys("web", ["A"])[0])
    later = NOW + timedelta(minutes=2)
    first = served("A", "B", now=later)
    assert first.rows.at.tolist() == [later.timestamp(), NOW.timestamp()]
    with django_assert_num_queries(0):
        second = served("A", "B", now=later)
    np.testing.assert_array_equal(first.rows.values, second.rows.values)


def test_with_redis_away_the_same_values_come_from_postgres(request):
    listing = make_listing("A")
    begin_recording(listing.channel)
    add_increment(listing, happened_at=NOW, units=1, revenue="9.99")
    refresh_features(channel=listing.channel, clock=lambda: NOW)
    from_redis = served("A")
    request.getfixturevalue("redis_away")
    from_postgres = served("A")
    for name in ("values", "at", "group_times"):
        np.testing.assert_array_equal(getattr(from_redis.rows, name), getattr(from_postgres.rows, name))
    assert from_postgres.rows.values[0, NAMES.index("revenue_1h")] == 9.99


def test_an_older_record_never_replaces_a_newer_one():
    older, newer = records_of(1), records_of(1, at=NOW + timedelta(seconds=1)) + [0] * len(COLUMNS)
    newer[0, 1] = 7.0
    for records in (newer, older):
        assert store_records(channel="web", skus=["A"], records=records)
    np.testing.assert_array_equal(stored_records(channel="web", skus=["A"]), newer)


def test_records_expire_when_no_refresh_comes_any_more(settings):
    settings.FEATURES_REFRESH_SECONDS = 60
    store_records(channel="web", skus=["A"], records=records_of(1))
    assert 170 < redis(settings).ttl(online._keys("web", ["A"])[0]) <= 180


def test_a_record_of_another_length_is_not_read(settings):
    make_listing("A")
    redis(settings).set(online._keys("web", ["A"])[0], b"12345678" * 3)
    assert served("A").rows.at[0] == NOW.timestamp()


def test_unknown_and_inactive_skus_are_rows_of_nan_without_a_time():
    make_listing("A")
    make_listing("GONE", is_active=False)
    found = served("NOPE", "A", "GONE", "A")
    assert found.unknown_skus == ["NOPE", "GONE"]
    assert np.isnan(found.rows.values[[0, 2]]).all()
    assert found.rows.at[1] == found.rows.at[3] == NOW.timestamp()


def test_the_frame_has_the_features_and_when_they_were_so():
    make_listing("A")
    refresh_features(channel=make_channel(), clock=lambda: NOW)
    frame = served("A", "NOPE", features=["inventory"]).frame()
    assert frame.columns == ["sku", "at", "inventory", *(f"{group.name}_at" for group in GROUPS)]
    assert frame["at"].to_list() == [NOW.astimezone(UTC), None]
    assert frame["inventory"][0] == 500 and np.isnan(frame["inventory"][1])
    assert frame["elasticity_at"].to_list() == [None, None]


def test_nothing_asked_is_nothing_read():
    assert served().rows.values.shape == (0, len(NAMES))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"features": ["price", "prise"]}, "no such feature: prise"),
        ({"features": "price"}, r"list of names, such as \['price'\]"),
        ({"skus": "A"}, r"skus: give a list, such as \['A'\]"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, says):
    make_channel()
    with pytest.raises(ValueError, match=says):
        online_features(**{"channel": "web", "skus": ["A"], "now": NOW} | arguments)


def test_an_unknown_channel_is_refused_with_those_there_are():
    make_channel()
    with pytest.raises(UnknownChannel, match="channels: web"):
        online_features(channel="shop", skus=["A"], now=NOW)
