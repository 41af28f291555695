"""What a fit says of the listings of a run, read as rows: there may be a million."""

from typing import NamedTuple

from catalog.reading import read_rows
from optimizer.models import ElasticityEstimate, ElasticityFit


class Estimate(NamedTuple):
    """The part of an `ElasticityEstimate` that pricing uses."""

    listing_id: int
    reference_price: float
    mean: float
    sd: float
    base_demand: float
    log_demand_sd: float
    informed: bool
    note: str


def estimates_of(*, fit: ElasticityFit, first_pk: int, last_pk: int) -> dict[int, Estimate]:
    """Return the estimates of a range of listings, by listing id."""
    rows = ElasticityEstimate.objects.filter(fit=fit, listing_id__gte=first_pk, listing_id__lte=last_pk)
    return {row.listing_id: row for row in read_rows(rows, Estimate)}
