"""Keep what a file says moved demand beside prices: promotions and weeks that sold out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from catalog.models import Channel, Listing, WeekConditions
from catalog.sku_week_file import SkuWeeks

COLUMNS = ("promotion", "stocked_out")
BATCH = 5_000


class WrongConditions(ValueError):
    """A column or a value is none that we know; the message names it and the cure. Nothing was kept."""


@dataclass(frozen=True)
class ConditionsOutcome:
    """Hold how many weeks were kept, and the file's SKUs that the channel does not have."""

    kept: int
    unknown_skus: list[str]


@transaction.atomic
def import_week_conditions(*, channel: Channel, conditions: SkuWeeks) -> ConditionsOutcome:
    """Store the weeks of all SKUs that the channel has; known weeks are overwritten, in the columns that are given.

    All or nothing; the same file again changes nothing. The next fit of a hierarchical model reads them.

    Raises:
        WrongConditions: nothing was kept.
    """
    _require_known(conditions)
    listings = dict(Listing.objects.filter(channel=channel).values_list("product__sku", "pk"))
    # In the order of the keys, as every writer of many rows: two imports at once wait instead of deadlocking.
    known = sorted(
        (listings[sku], week, numbers) for (sku, week), numbers in conditions.values.items() if sku in listings
    )
    WeekConditions.objects.bulk_create(
        _rows(conditions.names, known),
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["listing", "week"],
        update_fields=list(conditions.names),
    )
    return ConditionsOutcome(len(known), sorted({sku for sku, _ in conditions.values} - listings.keys()))


def _require_known(conditions: SkuWeeks) -> None:
    if strange := [name for name in conditions.names if name not in COLUMNS]:
        raise WrongConditions(f"column {strange[0]!r} is none of {', '.join(COLUMNS)}: leave it out")
    for (sku, week), numbers in conditions.values.items():
        for name, value in zip(conditions.names, numbers, strict=True):
            right = 0 <= value <= 1 if name == "promotion" else value in (0, 1)
            if not right:
                cure = "a share of the week from 0 to 1" if name == "promotion" else "0 or 1"
                raise WrongConditions(f"SKU {sku}, week of {week}: {name} is {value:g}; give {cure}")


def _rows(names: tuple[str, ...], known: list[tuple[int, date, list[float]]]) -> Iterator[WeekConditions]:
    for listing, week, numbers in known:
        of_week = dict(zip(names, numbers, strict=True))
        yield WeekConditions(
            listing_id=listing,
            week=week,
            promotion=of_week.get("promotion", 0.0),
            stocked_out=bool(of_week.get("stocked_out", 0.0)),
        )
