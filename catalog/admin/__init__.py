"""The catalog's admin pages, one file per area; importing them registers them."""

from catalog.admin import accounts, activity, api_keys, ledger, listings, policies, products, sales

__all__ = ["accounts", "activity", "api_keys", "ledger", "listings", "policies", "products", "sales"]
