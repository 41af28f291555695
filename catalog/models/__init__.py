from catalog.models.access import ApiKey, IdempotencyRecord
from catalog.models.approval import ApprovalPolicy, PriceApproval
from catalog.models.guardrail_policy import GuardrailPolicy
from catalog.models.kill_switch import KillSwitch
from catalog.models.ledger import PriceChange
from catalog.models.listing import CompetitorPrice, Listing
from catalog.models.product import Category, Channel, Product
from catalog.models.sales import SalesImport, WeeklySales
from catalog.models.serving import CacheEpoch, ServedArm, ServedExperiment

__all__ = [
    "ApiKey",
    "ApprovalPolicy",
    "CacheEpoch",
    "Category",
    "Channel",
    "CompetitorPrice",
    "GuardrailPolicy",
    "IdempotencyRecord",
    "KillSwitch",
    "Listing",
    "PriceApproval",
    "PriceChange",
    "Product",
    "SalesImport",
    "ServedArm",
    "ServedExperiment",
    "WeeklySales",
]
