from catalog.models.access import ApiKey, IdempotencyRecord
from catalog.models.guardrail_policy import GuardrailPolicy
from catalog.models.ledger import PriceChange
from catalog.models.ledger_purge import LedgerPurge
from catalog.models.listing import CompetitorPrice, Listing
from catalog.models.price_law import PriceLawRule
from catalog.models.product import Category, Channel, Product
from catalog.models.sales import SalesImport, WeeklySales
from catalog.models.serving import CacheEpoch, ServedArm, ServedExperiment

__all__ = [
    "ApiKey",
    "CacheEpoch",
    "Category",
    "Channel",
    "CompetitorPrice",
    "GuardrailPolicy",
    "IdempotencyRecord",
    "LedgerPurge",
    "Listing",
    "PriceChange",
    "PriceLawRule",
    "Product",
    "SalesImport",
    "ServedArm",
    "ServedExperiment",
    "WeeklySales",
]
