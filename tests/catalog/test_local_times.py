from datetime import UTC, datetime

import pytest

from catalog.local_times import TimeError, moment_of


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29 00:30", datetime(2026, 3, 29, 0, 30, tzinfo=UTC)),
        ("2026-03-29 02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # summer time began at 01:00
        ("2026-10-25T00:30", datetime(2026, 10, 24, 23, 30, tzinfo=UTC)),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
        ("2026-10-25T01:30+01:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T01:30+00:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-06-01T09:00Z", datetime(2026, 6, 1, 9, tzinfo=UTC)),
        ("2026-06-01", datetime(2026, 5, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_time_is_what_the_clock_in_london_shows(text, moment):
    assert moment_of(text, time_zone="Europe/London") == moment


def test_a_time_that_the_clock_skips_names_the_one_that_it_shows():
    with pytest.raises(TimeError, match=r"2026-03-29 01:30 does not exist in Europe/London.*Write 2026-03-29 02:30"):
        moment_of("2026-03-29 01:30", time_zone="Europe/London")


def test_a_time_that_comes_twice_offers_both_offsets():
    with pytest.raises(TimeError) as error:
        moment_of("2026-10-25 01:30", time_zone="Europe/London")
    first, second = "2026-10-25T01:30+01:00", "2026-10-25T01:30+00:00"
    assert f"Write {first} for the first or {second} for the second." in str(error.value)
    assert moment_of(second) - moment_of(first) == moment_of("2026-01-01T01:00Z") - moment_of("2026-01-01T00:00Z")


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("tomorrow", "UTC", "'tomorrow' is no time: write it like"),
        ("2026-02-30 09:00", "UTC", "is no time"),
        ("2026-02-03 09:00", "", "says no time zone: give one, such as Europe/London"),
        ("2026-02-03 09:00", "London", "'London' is no time zone: give an IANA name"),
        ("2026-02-03 09:00", "../etc/passwd", "is no time zone"),
    ],
)
def test_what_is_no_time_says_how_to_write_it(text, zone, words):
    with pytest.raises(TimeError) as error:
        moment_of(text, time_zone=zone)
    assert words in str(error.value)
