from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from catalog.models import ApiKey
from catalog.models.access import Scope

# What a person who is logged in to the admin needs for the same call.
PERMISSION_OF_SCOPE = {
    Scope.PRICES_READ: "catalog.view_listing",
    Scope.RUNS_WRITE: "optimizer.add_optimizationrun",
    Scope.OVERRIDES_WRITE: "catalog.add_priceoverride",
    Scope.KILL_SWITCH_WRITE: "catalog.add_killswitch",
    Scope.DECISIONS_WRITE: "experiments.add_pricingdecision",
    Scope.EXPERIMENTS_READ: "experiments.view_priceexperiment",
    Scope.EXPERIMENTS_WRITE: "experiments.change_priceexperiment",
    Scope.APPROVALS_WRITE: "catalog.change_priceapproval",
}


class HasScope(BasePermission):
    """Let a call pass if its key, or its logged-in person, may do what the view's ``required_scope`` names."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scope: Scope = view.required_scope
        if isinstance(request.auth, ApiKey):
            self.message = missing_scope(scope)
            return scope in request.auth.scopes
        return request.user is not None and request.user.has_perm(PERMISSION_OF_SCOPE[scope])


def missing_scope(scope: Scope) -> str:
    return f"This API key lacks the scope {scope.value}."
