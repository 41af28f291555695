"""The catalog's admin pages, one file per area; importing them registers them."""

from catalog.admin import accounts, api_keys, ledger, listings, policies, price_groups, products, sales

__all__ = ["accounts", "api_keys", "ledger", "listings", "policies", "price_groups", "products", "sales"]
