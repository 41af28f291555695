"""Keep automatic prices off listings at which something is measured: held out, or in an experiment that runs."""

from collections.abc import Callable, Collection, Sequence

from django.conf import settings
from django.utils.module_loading import import_string

from catalog.models import ServedExperiment

HELD_OUT = "held_out"
IN_EXPERIMENT = "in_experiment"

HeldOut = Callable[[Sequence[int]], Collection[int]]


def measured_listings(*, listing_ids: Sequence[int], is_beside: bool = False) -> dict[int, str]:
    """Return why an automatic price is refused, by listing.

    While an experiment runs, what it compares with stands still, for another experiment's winner too. ``is_beside``:
    it is the price of an arm, served beside the one in force, which does not move. Which listings are held out the
    settings' ``HELD_OUT_LISTINGS`` knows: the rows belong to a floor above this one.
    """
    if not listing_ids:
        return {}
    held_out: HeldOut = import_string(settings.HELD_OUT_LISTINGS)
    refused = dict.fromkeys(held_out(listing_ids), HELD_OUT)
    if is_beside:
        return refused
    running = ServedExperiment.objects.filter(listing__any_of=listing_ids, ended_at=None)
    return dict.fromkeys(running.values_list("listing_id", flat=True), IN_EXPERIMENT) | refused
