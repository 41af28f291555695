"""All that a channel's bandit has learned, as plain JSON."""

from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.conf import settings

from catalog.models import Channel
from experiments.models import ArmCount

FORMAT: Final = 1
NAMES: Final = ("sku", "location", "intensity", "price")


def bandit_stats(*, channel: Channel) -> dict[str, Any]:
    """Return the counts of every arm: ``[epoch, decided, purchases, rejections]`` by SKU, location, intensity, price.

    Decisions that wait for their outcome are in ``decided``; their outcomes count where they were decided.
    """
    rows = (
        ArmCount.objects.filter(arm__context__listing__channel=channel)
        .order_by("arm__context__listing__product__sku", "arm__context", "arm__price", "epoch")
        .values_list(
            "arm__context__listing__product__sku",
            "arm__context__location",
            "arm__context__intensity",
            "arm__price",
            "epoch",
            "decided",
            "purchases",
            "rejections",
        )
    )
    arms = groupby(rows.iterator(chunk_size=20_000), key=itemgetter(0, 1, 2, 3))
    return {
        "format": FORMAT,
        "channel": channel.code,
        "epoch_seconds": settings.BANDIT_EPOCH_SECONDS,
        "arms": [
            dict(zip(NAMES, (*key[:3], str(key[3])), strict=True)) | {"counts": [list(row[4:]) for row in group]}
            for key, group in arms
        ],
    }
