"""What a fit says of the listings of a run, read as rows: there may be a million."""

from typing import NamedTuple

from catalog.reading import read_rows
from optimizer.models import ElasticityEstimate, ElasticityFit
from optimizer.selectors.demand_bases import WeekAhead, weeks_ahead


class Estimate(NamedTuple):
    """The part of an `ElasticityEstimate` that pricing uses; with a forecast, whose price and demand stand in it."""

    listing_id: int
    reference_price: float
    mean: float
    sd: float
    base_demand: float
    log_demand_sd: float
    informed: bool
    note: str
    forecast: WeekAhead | None = None


def estimates_of(*, fit: ElasticityFit, first_pk: int, last_pk: int) -> dict[int, Estimate]:
    """Return the estimates of a range of listings, by listing id.

    Where a fresh forecast is stored, the level of demand is the forecast's: its units a week at its price. How demand
    answers to price, and how uncertain its level is, are always the fit's.
    """
    rows = ElasticityEstimate.objects.filter(fit=fit, listing_id__gte=first_pk, listing_id__lte=last_pk)
    found = {row.listing_id: row for row in read_rows(rows, Estimate)}
    for listing_id, ahead in weeks_ahead(fit=fit, first_pk=first_pk, last_pk=last_pk).items():
        if listing_id in found:
            found[listing_id] = found[listing_id]._replace(
                reference_price=ahead.price, base_demand=ahead.units, forecast=ahead
            )
    return found
