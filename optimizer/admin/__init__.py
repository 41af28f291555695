"""The optimiser's admin pages; importing them registers them."""

from django.contrib import admin

from optimizer.admin import (
    cross_elasticity,
    elasticity,
    forecasters,
    markdowns,
    policies,
    prices,
    recommendations,
    rollbacks,
    run_goals,
    run_limits,
    run_schedules,
    runs,
    simulations,
    training,
)

# Unfold's own "admin/index.html" comes first on the template path, so the first page has a name of its own.
admin.site.index_template = "optimizer/admin/overview.html"

__all__ = [
    "cross_elasticity",
    "elasticity",
    "forecasters",
    "markdowns",
    "policies",
    "prices",
    "recommendations",
    "rollbacks",
    "run_goals",
    "run_limits",
    "run_schedules",
    "runs",
    "simulations",
    "training",
]
