"""The catalog's admin pages, one file per area; importing them registers them."""

from catalog.admin import (
    accounts,
    activity,
    api_keys,
    approval_policies,
    kill_switches,
    ledger,
    listings,
    overrides,
    policies,
    policy_versions,
    price_approvals,
    price_groups,
    price_laws,
    products,
    purges,
    sales,
)

__all__ = [
    "accounts",
    "activity",
    "api_keys",
    "approval_policies",
    "kill_switches",
    "ledger",
    "listings",
    "overrides",
    "policies",
    "policy_versions",
    "price_approvals",
    "price_groups",
    "price_laws",
    "products",
    "purges",
    "sales",
]
