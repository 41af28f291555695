"""Ask the API for one price as a storefront would, and show that its explanation replays."""

import json
from typing import Any

from django.core.management.base import CommandError
from django.test import Client
from rich.console import Console

from optimizer.models import OptimizationRun, Recommendation


def ask_storefront(console: Console, client: Client, api_key: str, run: OptimizationRun) -> None:
    """Read the price, history and explanation of the SKU with the largest expected gain through the API.

    Raises:
        CommandError: the API does not answer, or the explanation does not replay to the served price.
    """
    published = Recommendation.objects.filter(run=run, outcome=Recommendation.Outcome.PUBLISHED)
    best = published.select_related("listing__product").order_by("-profit_change_mean").first()
    if best is None:
        raise CommandError("the run published no price")
    path = f"/api/v1/prices/{best.listing.product.sku}"
    price, history, explanation = (_get(client, api_key, path + suffix) for suffix in ("", "/history", "/explanation"))
    console.print(f"\n[bold]GET {path}[/bold]")
    console.print_json(json.dumps(price))
    console.print(f"[bold]/history[/bold]: {[row['price'] for row in history['results']]}")
    replayed = explanation["replay"]
    console.print(
        f"[bold]/explanation[/bold]: {explanation['change']['binding_rule']}; replayed from its inputs over "
        f"{replayed['admissible_prices']:,} admissible prices: {replayed['price']}"
    )
    if explanation["change"]["price"] != price["price"] or not replayed["matches"]:
        raise CommandError(f"{path}: served {price['price']}, replayed {replayed['price']}")


def _get(client: Client, api_key: str, path: str) -> dict[str, Any]:
    response = client.get(path, headers={"Authorization": f"Bearer {api_key}"})
    if response.status_code != 200:
        raise CommandError(f"GET {path} answered {response.status_code}: {response.content[:200]!r}")
    return response.json()
