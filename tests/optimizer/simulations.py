"""Simulations for tests."""

from typing import Any

from django.utils import timezone

from catalog.models import Listing
from optimizer.assumptions import Assumptions
from optimizer.models import Simulation
from optimizer.services.open_simulation import open_simulation
from optimizer.services.optimize_chunk import optimize_chunk
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit


def computed(*listings: Listing, **fields: Any) -> Simulation:
    """A simulation of the listings' channel, computed."""
    make_fit(listings[0].channel, list(listings))
    assumptions = Assumptions(
        **{name: fields.pop(name) for name in list(fields) if name in Assumptions.__annotations__}
    )
    simulation = open_simulation(
        name=fields.pop("name", "dearer"),
        channel=listings[0].channel,
        objective=fields.pop("objective", "profit"),
        assumptions=assumptions,
        now=timezone.now(),
        **fields,
    )
    compute(simulation)
    return Simulation.objects.select_related("run").get(pk=simulation.pk)


def compute(simulation: Simulation) -> None:
    for first_pk in simulation.run.chunks.order_by("first_pk").values_list("first_pk", flat=True):
        optimize_chunk(run_id=simulation.run_id, first_pk=first_pk, now=timezone.now())
    close_run(run_id=simulation.run_id, now=timezone.now())
