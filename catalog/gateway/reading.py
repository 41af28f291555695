"""Served prices from the database: for views and services, which are not asked thousands of times a second."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from catalog.arms import answer_for
from catalog.selectors.served import served_records


def served_prices(*, channel: str, skus: Sequence[str], region: str | None = None) -> dict[str, dict[str, Any]]:
    """Return what the storefront is served for each known SKU at present; unknown SKUs are absent.

    Where an experiment runs it is the price of the arm that is drawn for the SKU, region or time.
    """
    now = timezone.now().timestamp()
    records = served_records(channel=channel, skus=skus)
    return {sku: answer_for(record, region=region, unix_time=now) for sku, record in records.items()}


def etag_of(answer: Mapping[str, Any]) -> str:
    """Return the price's version; with the arm where there is one; a list price was never published and stands
    itself."""
    version = str(answer["version"]) if answer["version"] else f"0-{answer['price']}"
    return f'"{version}-{answer["experiment"]}.{answer["arm"]}"' if answer["arm"] else f'"{version}"'
