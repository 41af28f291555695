from catalog.models.access import ApiKey, IdempotencyRecord
from catalog.models.approval import ApprovalPolicy, PriceApproval
from catalog.models.audit import AdminAction
from catalog.models.competitor_offer import CompetitorOffer
from catalog.models.guardrail_policy import GuardrailPolicy
from catalog.models.kill_switch import KillSwitch
from catalog.models.ledger import PriceChange
from catalog.models.ledger_purge import LedgerPurge
from catalog.models.listing import CompetitorPrice, Listing
from catalog.models.policy_version import GuardrailPolicyVersion
from catalog.models.price_law import PriceLawRule
from catalog.models.price_override import PriceOverride
from catalog.models.price_relation import PriceGroup, PriceGroupMember, PriceRelation
from catalog.models.product import Category, Channel, Product
from catalog.models.rollback import RolledBackPrice, RunRollback
from catalog.models.sales import DailySales, SalesImport, WeekConditions, WeeklySales
from catalog.models.serving import CacheEpoch, LowestOffer, ServedArm, ServedExperiment

__all__ = [
    "AdminAction",
    "ApiKey",
    "ApprovalPolicy",
    "CacheEpoch",
    "Category",
    "Channel",
    "CompetitorOffer",
    "CompetitorPrice",
    "DailySales",
    "GuardrailPolicy",
    "GuardrailPolicyVersion",
    "IdempotencyRecord",
    "KillSwitch",
    "LedgerPurge",
    "Listing",
    "LowestOffer",
    "PriceApproval",
    "PriceChange",
    "PriceGroup",
    "PriceGroupMember",
    "PriceLawRule",
    "PriceOverride",
    "PriceRelation",
    "Product",
    "RolledBackPrice",
    "RunRollback",
    "SalesImport",
    "ServedArm",
    "ServedExperiment",
    "WeekConditions",
    "WeeklySales",
]
