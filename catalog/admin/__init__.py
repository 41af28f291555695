"""The catalog's admin pages, one file per area; importing them registers them."""

from catalog.admin import (
    accounts,
    api_keys,
    approval_policies,
    kill_switches,
    ledger,
    listings,
    policies,
    price_approvals,
    products,
    sales,
)

__all__ = [
    "accounts",
    "api_keys",
    "approval_policies",
    "kill_switches",
    "ledger",
    "listings",
    "policies",
    "price_approvals",
    "products",
    "sales",
]
