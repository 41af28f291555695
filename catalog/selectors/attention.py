"""Listings whose price needs a person, as conditions for queries."""

from django.db.models import Q

from catalog.models.listing import BELOW_COST as PRICED_BELOW_COST
from catalog.models.listing import COST_UNKNOWN as WITHOUT_COST

SOLD = Q(product__is_active=True)
IN_NEED = PRICED_BELOW_COST | WITHOUT_COST  # as the partial index says it, so that the index is used
BELOW_COST = SOLD & IN_NEED & PRICED_BELOW_COST
COST_UNKNOWN = SOLD & IN_NEED & WITHOUT_COST
SOLD_OUT = SOLD & Q(inventory=0)
