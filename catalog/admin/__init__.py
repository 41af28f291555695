"""The catalog's admin pages, one file per area; importing them registers them."""

from catalog.admin import accounts, activity, api_keys, ledger, listings, policies, policy_versions, products, sales

__all__ = ["accounts", "activity", "api_keys", "ledger", "listings", "policies", "policy_versions", "products", "sales"]
