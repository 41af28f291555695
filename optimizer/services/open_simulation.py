"""Open a simulation. Web processes load this file: it must not lead to the engine."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Category, Channel, Listing
from optimizer.assumptions import Assumptions, InvalidAssumptions
from optimizer.models import Simulation
from optimizer.services.open_run import open_run
from optimizer.services.what_if import chosen_listings

MAX_NAME = 120
NAMED_AT_MOST = 5


@transaction.atomic
def open_simulation(
    *,
    name: str,
    channel: Channel,
    objective: str,
    assumptions: Assumptions,
    now: datetime,
    author: User | None = None,
    key: str | None = None,
) -> Simulation:
    """Open a run that publishes nothing over the listings that the assumptions choose. The same key is the same one.

    Raises:
        InvalidAssumptions: no name or too long a one; a category or SKU that the channel does not have.
        CannotOptimize: no elasticities were fitted for the channel, or it has no listings.
    """
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME:
        raise InvalidAssumptions(("name",), f"give 1 to {MAX_NAME} characters")
    _check_chosen(channel, assumptions)
    run = open_run(
        channel=channel,
        objective=objective,
        now=now,
        key=f"simulation:{key}" if key else None,
        publishes=False,
        requested_by=author,
        only=chosen_listings(assumptions),
    )
    simulation, _ = Simulation.objects.get_or_create(
        run=run, defaults={"name": name, "assumptions": assumptions.as_dict(), "author": author}
    )
    return simulation


def _check_chosen(channel: Channel, assumptions: Assumptions) -> None:
    """Refuse what the channel does not have: a simulation of a misspelt category would say nothing."""
    listings = Listing.objects.filter(channel=channel, product__is_active=True)
    codes = {*assumptions.categories, *(cost.category for cost in assumptions.cost_changes if cost.category)}
    known = set(Category.objects.filter(code__in=codes).values_list("code", flat=True))
    _refuse(
        ("cost_changes",), "no such category", {cost.category for cost in assumptions.cost_changes} - {None} - known
    )
    _refuse(("categories",), "no such category", set(assumptions.categories) - known)
    skus = listings.filter(product__sku__in=assumptions.skus).values_list("product__sku", flat=True)
    _refuse(("skus",), f"not sold in channel {channel.code!r}", set(assumptions.skus) - set(skus))
    if assumptions.is_subset and not listings.filter(chosen_listings(assumptions)).exists():
        raise InvalidAssumptions(("categories",), f"channel {channel.code!r} sells no product of them")


def _refuse(path: tuple[str, ...], words: str, unknown: Iterable[str | None]) -> None:
    names = sorted(str(name) for name in unknown)
    if names:
        more = f" and {len(names) - NAMED_AT_MOST:,} more" if len(names) > NAMED_AT_MOST else ""
        raise InvalidAssumptions(path, f"{words}: {', '.join(names[:NAMED_AT_MOST])}{more}")
