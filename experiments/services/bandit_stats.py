"""Take over what a bandit has learned elsewhere or before."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from fastjsonschema import JsonSchemaValueException
from fastjsonschema import compile as compiled_schema

from catalog.models import Channel
from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.selectors.listings import active_listings
from experiments.models import ArmCount, DemandIntensity
from experiments.selectors.bandit_stats import FORMAT
from experiments.services.arm_counts import ArmEpoch, add_counts
from experiments.services.choices import ContextKey, arm_ids, context_ids

NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**62}
SCHEMA = {
    "type": "object",
    "required": ["format", "channel", "epoch_seconds", "arms"],
    "properties": {
        "format": {"const": FORMAT},
        "channel": {"type": "string"},
        "epoch_seconds": {"type": "integer"},
        "arms": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["sku", "location", "intensity", "price", "counts"],
                "properties": {
                    "sku": {"type": "string", "minLength": 1, "maxLength": 64},
                    "location": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
                    "intensity": {"enum": DemandIntensity.values},
                    "price": {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,4})?$"},
                    "counts": {
                        "type": "array",
                        "items": {
                            "type": "array",
                            "minItems": 4,
                            "maxItems": 4,
                            # A rejection that was assumed may have been taken back in another epoch.
                            "items": [{"type": "integer"}, NUMBER, NUMBER, {"type": "integer"}],
                        },
                    },
                },
            },
        },
    },
}


class UnusableStats(ValueError):
    """Nothing was taken over; the message names the place and the cure."""


@transaction.atomic
def import_bandit_stats(*, stats: Any, existing: str) -> int:
    """Store what `bandit_stats` gave; return how many arms that were.

    All or nothing. SKUs must be sold in the channel; contexts and arms are made where they are new.

    Args:
        stats: JSON of `bandit_stats`.
        existing: what to do where an arm of the file has counts already: ``refuse``, ``add`` or ``replace`` them.

    Raises:
        UnusableStats: the file does not fit, or there are counts already and ``existing`` is ``refuse``.
    """
    channel = _checked(stats)
    arms = _arms(channel, stats["arms"])
    known = ArmCount.objects.filter(arm__in=arms.values())
    if existing == "replace":
        known.delete()
    elif existing == "refuse" and (number := known.values("arm").distinct().count()):
        raise UnusableStats(f"{number:,} of its arms have counts already: choose --add or --replace")
    tables: tuple[Counter[ArmEpoch], ...] = (Counter(), Counter(), Counter())
    for position, row in enumerate(stats["arms"]):
        for epoch, *numbers in row["counts"]:
            for table, number in zip(tables, numbers, strict=True):
                table[arms[position], epoch] += number
    add_counts(decided=tables[0], purchases=tables[1], rejections=tables[2])
    return len(set(arms.values()))


def _checked(stats: Any) -> Channel:
    try:
        _validator()(stats)
    except JsonSchemaValueException as error:
        raise UnusableStats(error.message.replace("data", "the file", 1)) from error
    if stats["epoch_seconds"] != settings.BANDIT_EPOCH_SECONDS:
        raise UnusableStats(
            f"epoch_seconds is {stats['epoch_seconds']}, here it is {settings.BANDIT_EPOCH_SECONDS}: "
            "set BANDIT_EPOCH_SECONDS to the same"
        )
    try:
        return channel_by_code(stats["channel"])
    except UnknownChannel as error:
        raise UnusableStats(str(error)) from error


@cache
def _validator() -> Any:
    return compiled_schema(SCHEMA)


def _arms(channel: Channel, rows: list[Mapping[str, Any]]) -> dict[int, int]:
    """Return the key of the arm of each row."""
    skus = {row["sku"] for row in rows}
    sold = active_listings(channel=channel.code).filter(product__sku__in=skus)
    listings = dict(sold.values_list("product__sku", "pk"))
    for position, row in enumerate(rows):
        if row["sku"] not in listings:
            raise UnusableStats(
                f"the file.arms[{position}].sku: {row['sku']!r} is not sold in {channel.code}: import it first"
            )
    keys: list[ContextKey] = [(listings[row["sku"]], row["location"], row["intensity"]) for row in rows]
    contexts = context_ids(set(keys))
    wanted = [(contexts[key], Decimal(row["price"])) for key, row in zip(keys, rows, strict=True)]
    found = arm_ids(set(wanted))
    return {position: found[place] for position, place in enumerate(wanted)}
