from catalog.models.access import ApiKey, IdempotencyRecord
from catalog.models.guardrail_policy import GuardrailPolicy
from catalog.models.ledger import PriceChange
from catalog.models.listing import CompetitorPrice, Listing
from catalog.models.product import Category, Channel, Product
from catalog.models.sales import SalesImport, WeeklySales

__all__ = [
    "ApiKey",
    "Category",
    "Channel",
    "CompetitorPrice",
    "GuardrailPolicy",
    "IdempotencyRecord",
    "Listing",
    "PriceChange",
    "Product",
    "SalesImport",
    "WeeklySales",
]
