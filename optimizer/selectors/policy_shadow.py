"""What a policy would have done beside the decisions of markdown plans, added up. No model is loaded here."""

from django.db.models import Avg, Count, F, FloatField, Max, Min, Q
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast

from optimizer.models import HorizonPolicy
from optimizer.policy_gate import Shadow

HALF_A_CENT = 0.005
"""Prices of a ladder are not rounded: what is nearer to a bound than this is on it."""


def shadow_of(policy: HorizonPolicy) -> Shadow:
    """Return it over all decisions that the policy was asked about."""
    cost = KeyTextTransform("value", KeyTransform("unit_cost", F("step__inputs")))
    asked = policy.decisions.filter(left_out="").annotate(cost=Cast(cost, FloatField()))
    below = Q(price__lt=F("cost") - HALF_A_CENT)
    above = Q(step__plan__only_down=True, price__gt=F("step__previous_price") + HALF_A_CENT) & Q(
        step__previous_price__gte=F("cost")
    )
    compared = Q(share__isnull=False, served_share__isnull=False)
    found = asked.aggregate(
        decisions=Count("pk"),
        first=Min("step__decided_at"),
        last=Max("step__decided_at"),
        illegal=Count("pk", filter=below | above),
        mean=Avg("share", filter=compared),
        served_mean=Avg("served_share", filter=compared),
    )
    first, last = found["first"], found["last"]
    return Shadow(
        decisions=found["decisions"],
        days=0 if first is None else (last - first).days + 1,
        illegal=found["illegal"],
        share=found["mean"],
        served_share=found["served_mean"],
    )
