"""Names, units and order of all features. Every value is float64, NaN where it is not known."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True)
class Feature:
    """One number about a listing."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class FeatureGroup:
    """Features that are written together and share one time: when what they state was so."""

    name: str
    time: str
    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


MONEY: Final = "channel's currency"

WINDOWS: Final = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "28d": timedelta(days=28),
}

COUNTED: Final = {
    "views": ("events", "demand events"),
    "requests": ("requests", "requests that those demand events stand for, their demand"),
    "units": ("units", "purchases, of one unit each"),
    "revenue": (MONEY, "decided prices of those purchases"),
}

ACTIVITY: Final = FeatureGroup(
    "activity",
    "the moment at which the windows end",
    tuple(
        Feature(f"{counted}_{window}", unit, f"{meaning}, last {window}")
        for counted, (unit, meaning) in COUNTED.items()
        for window in WINDOWS
    ),
)

# Stored rows hold the numbers by place: add features at the end of a group, never take one out or move it.
SNAPSHOTS: Final = (
    FeatureGroup(
        "weekly_sales",
        "end of the channel's newest week of imported sales",
        (
            Feature("weekly_units_1w", "units", "imported sales, newest week of the channel"),
            Feature("weekly_units_4w", "units", "imported sales, newest 4 weeks of the channel"),
            Feature("weekly_units_13w", "units", "imported sales, newest 13 weeks of the channel"),
            Feature("weekly_revenue_4w", MONEY, "imported sales, newest 4 weeks of the channel"),
            Feature("weekly_revenue_13w", MONEY, "imported sales, newest 13 weeks of the channel"),
            Feature("weekly_weeks_sold_13w", "weeks", "weeks with a sale among the newest 13"),
            Feature("weekly_price_4w", MONEY, "revenue over units, newest 4 weeks"),
        ),
    ),
    FeatureGroup(
        "price",
        "when price or cost last changed",
        (
            Feature("price", MONEY, "price in force"),
            Feature("list_price", MONEY, "the shop's own price"),
            Feature("unit_cost", MONEY, "unit cost"),
            Feature("margin", "fraction", "(price - cost) / price"),
            Feature("unit_cost_assumed", "0 or 1", "whether the cost was made up for a demo"),
        ),
    ),
    FeatureGroup(
        "stock",
        "when the stock was counted",
        (
            Feature("inventory", "units", "units in stock; not known where stock does not limit sales"),
            Feature("inventory_assumed", "0 or 1", "whether the stock was made up for a demo"),
        ),
    ),
    FeatureGroup(
        "competitors",
        "newest observation of any offer",
        (
            Feature("competitor_min", MONEY, "cheapest offer that can be believed"),
            Feature("competitor_median", MONEY, "median of the offers that can be believed"),
            Feature("competitor_count", "offers", "offers that can be believed, 0 where all are stale or absurd"),
            Feature("competitor_price_index", "ratio", "price in force over the median"),
            Feature("competitor_min_seen_at", "s since 1970", "when the cheapest offer was observed"),
            Feature("competitor_assumed", "0 or 1", "whether one of them was made up for a demo"),
        ),
    ),
    FeatureGroup(
        "elasticity",
        "when the newest fit was made",
        (
            Feature("elasticity_mean", "dlnQ/dlnp", "posterior mean, signed"),
            Feature("elasticity_sd", "dlnQ/dlnp", "posterior standard deviation"),
            Feature("elasticity_shrinkage", "fraction", "0: the prior stands, 1: the sales decide"),
            Feature("elasticity_informed", "0 or 1", "whether the sales moved the prior"),
            Feature("reference_price", MONEY, "price at which base demand is stated"),
            Feature("base_demand", "units/week", "expected demand at the reference price"),
        ),
    ),
    FeatureGroup(
        "forecast",
        "when the forecast, or the fit where there is none, the price or the stock last changed",
        (
            Feature("forecast_units", "units/week", "expected demand at the price in force, in the week after sales"),
            Feature("forecast_log_sd", "log units", "standard deviation of its logarithm"),
            Feature("forecast_revenue", f"{MONEY}/week", "expected demand times the price in force"),
            Feature("forecast_cover", "weeks", "stock over expected demand"),
            Feature("forecast_stored", "0 or 1", "whether a stored forecast states it, else the elasticity fit"),
        ),
    ),
)

GROUPS: Final = (ACTIVITY, *SNAPSHOTS)
FEATURES: Final = tuple(feature for group in GROUPS for feature in group.features)
NAMES: Final = tuple(feature.name for feature in FEATURES)

# A record: the moment, one time a group, the features. Other features are another layout, under other keys in Redis.
COLUMNS: Final = ("at", *(f"{group.name}_at" for group in GROUPS), *NAMES)
TIMES: Final = 1 + len(GROUPS)
LAYOUT: Final = hashlib.sha256(",".join(COLUMNS).encode()).hexdigest()[:8]
