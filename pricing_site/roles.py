"""The four roles that people have, as groups of the admin: viewer < analyst < manager < admin.

Each may do all that the one before it may. A table of whole models: what a person may do to a single row (nobody
approves their own price) is decided by the services.
"""

from typing import Final

from django.contrib.auth.models import Group, Permission
from django.db import transaction

ROLES: Final = ("viewer", "analyst", "manager", "admin")

PERMISSIONS: Final[dict[str, tuple[str, ...]]] = {
    # What the shop sells, what the engine knows and did, and who did what.
    "viewer": (
        "catalog.view_approvalpolicy",
        "catalog.view_category",
        "catalog.view_channel",
        "catalog.view_competitoroffer",
        "catalog.view_dailysales",
        "catalog.view_competitorprice",
        "catalog.view_guardrailpolicy",
        "catalog.view_guardrailpolicyversion",
        "catalog.view_killswitch",
        "catalog.view_listing",
        "catalog.view_priceapproval",
        "catalog.view_pricechange",
        "catalog.view_pricegroup",
        "catalog.view_pricegroupmember",
        "catalog.view_pricelawrule",
        "catalog.view_priceoverride",
        "catalog.view_product",
        "catalog.view_rolledbackprice",
        "catalog.view_runrollback",
        "catalog.view_salesimport",
        "catalog.view_servedarm",
        "catalog.view_servedexperiment",
        "catalog.view_weekconditions",
        "catalog.view_weeklysales",
        "experiments.view_armday",
        "experiments.view_banditarm",
        "experiments.view_banditcontext",
        "experiments.view_banditexperiment",
        "experiments.view_challenger",
        "experiments.view_deadletter",
        "experiments.view_experimentarm",
        "experiments.view_experimentlayer",
        "experiments.view_experimentunit",
        "experiments.view_guardrailmetric",
        "experiments.view_holdoutlisting",
        "experiments.view_holdoutpolicy",
        "experiments.view_intensitypolicy",
        "experiments.view_priceexperiment",
        "experiments.view_pricingdecision",
        "experiments.view_readoutentry",
        "experiments.view_streamoffset",
        "experiments.view_unitday",
        "optimizer.view_crosselasticity",
        "optimizer.view_demandforecast",
        "optimizer.view_demandforecaster",
        "optimizer.view_elasticityestimate",
        "optimizer.view_elasticityfit",
        "optimizer.view_horizonpolicy",
        "optimizer.view_markdownplan",
        "optimizer.view_markdownstep",
        "optimizer.view_optimizationrun",
        "optimizer.view_recommendation",
        "optimizer.view_rungoals",
        "optimizer.view_runlimits",
        "optimizer.view_runschedule",
        "optimizer.view_shadowdecision",
        "optimizer.view_simulation",
        "optimizer.view_trainingjob",
    ),
    # Tries things out; publishes nothing by hand.
    "analyst": ("optimizer.add_simulation",),
    # Decides prices and the rules for them: runs and their rollback, overrides, markdowns, approvals, kill switches.
    "manager": (
        "catalog.view_ledgerpurge",
        "catalog.add_killswitch",
        "experiments.add_banditexperiment",
        "experiments.change_banditexperiment",
        "experiments.delete_banditexperiment",
        "experiments.add_challenger",
        "experiments.change_challenger",
        "experiments.delete_challenger",
        "experiments.change_deadletter",
        "experiments.add_experimentarm",
        "experiments.add_experimentlayer",
        "experiments.add_guardrailmetric",
        "experiments.add_holdoutpolicy",
        "experiments.add_priceexperiment",
        "experiments.change_experimentarm",
        "experiments.change_experimentlayer",
        "experiments.change_guardrailmetric",
        "experiments.change_holdoutpolicy",
        "experiments.change_priceexperiment",
        "experiments.delete_experimentarm",
        "experiments.delete_guardrailmetric",
        "catalog.change_killswitch",
        "catalog.change_priceapproval",
        "catalog.add_pricegroup",
        "catalog.change_pricegroup",
        "catalog.delete_pricegroup",
        "catalog.add_pricegroupmember",
        "catalog.change_pricegroupmember",
        "catalog.delete_pricegroupmember",
        "catalog.add_priceoverride",
        "catalog.change_priceoverride",
        "optimizer.add_markdownplan",
        "optimizer.change_markdownplan",
        "optimizer.add_optimizationrun",
        "catalog.add_guardrailpolicy",
        "catalog.change_guardrailpolicy",
        "catalog.delete_guardrailpolicy",
        "catalog.add_category",
        "catalog.change_category",
        "catalog.add_product",
        "catalog.change_product",
        "catalog.add_listing",
        "catalog.change_listing",
        "catalog.add_competitorprice",
        "catalog.change_competitorprice",
        "catalog.delete_competitorprice",
        "experiments.add_intensitypolicy",
        "experiments.change_intensitypolicy",
        "optimizer.add_rungoals",
        "optimizer.change_rungoals",
        "optimizer.delete_rungoals",
        "optimizer.add_runschedule",
        "optimizer.change_runschedule",
        "optimizer.delete_runschedule",
        "optimizer.add_runlimits",
        "optimizer.change_runlimits",
    ),
    # Lets people and programs in, opens channels, says what needs a second person and what the law asks for, and
    # overrules the gate of forecasters.
    "admin": (
        "catalog.add_approvalpolicy",
        "catalog.change_approvalpolicy",
        "catalog.delete_approvalpolicy",
        "catalog.add_pricelawrule",
        "catalog.change_pricelawrule",
        "catalog.delete_pricelawrule",
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
        "catalog.add_channel",
        "catalog.change_channel",
        "optimizer.add_forecasterpromotion",  # overrules the gate of forecasters
        "catalog.view_adminaction",
        "catalog.view_apikey",
        "catalog.add_apikey",
        "catalog.change_apikey",
    ),
}


def permissions_of(role: str) -> set[str]:
    """Return everything that a role may do, as `app.codename`."""
    return {name for each in ROLES[: ROLES.index(role) + 1] for name in PERMISSIONS[each]}


@transaction.atomic
def set_up_roles() -> None:
    """Make the four groups and give each exactly what the table says; groups of other names are left alone.

    Raises:
        LookupError: the table names a permission that no model has; the message says which.
    """
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    for role in ROLES:
        missing = sorted(permissions_of(role) - known.keys())
        if missing:
            raise LookupError(f"{missing[0]} of role {role} does not exist: migrate first, or mend pricing_site.roles")
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(known[name] for name in permissions_of(role))
