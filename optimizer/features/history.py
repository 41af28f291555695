"""The one statement that says what was known of a listing at a moment; serving and training both read it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from django.db import connection

from optimizer.features.definitions import COLUMNS, COUNTED, SNAPSHOTS, WINDOWS

MOMENTS_PER_QUERY = 5_000


def _sums() -> Iterator[str]:
    """Yield the sums over (at - window, at]."""
    for name in COUNTED:
        for window, length in WINDOWS.items():
            seconds = int(length.total_seconds())
            yield f"sum({name}) FILTER (WHERE happened_at > moment.at - interval '{seconds} s') AS {name}_{window}"


def _counts() -> Iterator[str]:
    """Yield the counts: none is 0 where events were recorded throughout the window, else not known."""
    for name in COUNTED:
        for window, length in WINDOWS.items():
            seconds = int(length.total_seconds())
            yield (
                f"CASE WHEN recording.began_at <= moment.at - interval '{seconds} s' "
                f"THEN coalesce({name}_{window}, 0) END"
            )


def _snapshot(group: str) -> str:
    return f"""
  LEFT JOIN LATERAL (
       SELECT event_at, numbers FROM optimizer_featuresnapshot
        WHERE listing_id = moment.listing_id AND feature_group = '{group}' AND known_at <= moment.at
        ORDER BY known_at DESC, id DESC LIMIT 1) AS {group} ON true"""  # noqa: S608


def _statement() -> str:
    longest = int(max(WINDOWS.values()).total_seconds())
    columns = [
        "moment.at",
        "CASE WHEN recording.began_at IS NOT NULL THEN moment.at END",
        *(f"{group.name}.event_at" for group in SNAPSHOTS),
    ]
    numbers = [
        *_counts(),
        *(f"{group.name}.numbers[{place}]" for group in SNAPSHOTS for place in range(1, len(group.names) + 1)),
    ]
    selected = [*(f"extract(epoch FROM {column})::float8" for column in columns), *(f"({n})::float8" for n in numbers)]
    # Only names from the definitions are put in; values are parameters.
    return f"""
SELECT {", ".join(selected)}
  FROM unnest(%(listings)s::bigint[], %(moments)s::timestamptz[]) WITH ORDINALITY AS moment(listing_id, at, number)
  LEFT JOIN catalog_listing listing ON listing.id = moment.listing_id
  LEFT JOIN optimizer_activityrecording recording
         ON recording.channel_id = listing.channel_id AND recording.began_at <= moment.at
 CROSS JOIN LATERAL (
       SELECT {", ".join(_sums())}
         FROM optimizer_activityincrement
        WHERE listing_id = moment.listing_id AND known_at <= moment.at
          AND happened_at <= moment.at AND happened_at > moment.at - interval '{longest} s') AS activity
  {"".join(_snapshot(group.name) for group in SNAPSHOTS)}
 ORDER BY moment.number
"""  # noqa: S608


AS_KNOWN_AT: Final = _statement()


def feature_records(*, listing_ids: Sequence[int], moments: Sequence[datetime]) -> np.ndarray:
    """Return what was known of each listing at its moment, of the two sequences' common length.

    A row counts if we had learned of it by the moment (``known_at``); windows end at the moment and hold what happened
    in (moment - length, moment]; of snapshots the last one learned counts. Rows that are added later with a later
    ``known_at`` therefore change nothing.

    Returns:
        (moment, column) float64 in the order of ``COLUMNS``: times in seconds since 1970, NaN where not known.
    """
    found = np.empty((len(listing_ids), len(COLUMNS)))
    with connection.cursor() as cursor:
        for start in range(0, len(listing_ids), MOMENTS_PER_QUERY):
            part = slice(start, start + MOMENTS_PER_QUERY)
            cursor.execute(AS_KNOWN_AT, {"listings": list(listing_ids[part]), "moments": list(moments[part])})
            found[part] = np.array(cursor.fetchall(), dtype=np.float64)
    return found
