"""The dress of the admin: names, navigation, and the first page."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

FIRST_PAGE = "optimizer.admin.dashboard.dashboard"


def _may_view(app: str, model: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(f"{app}.view_{model}")


def _page(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may_view(app, model),
    }


NAVIGATION = [
    {
        "items": [{"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")}],
    },
    {
        "title": "Prices",
        "items": [
            _page("Products and prices", "sell", "catalog", "listing"),
            _page("Overrides and promotions", "event", "catalog", "priceoverride"),
            _page("Price ledger", "history", "catalog", "pricechange"),
            _page("Approvals", "how_to_reg", "catalog", "priceapproval")
            | {"badge": "catalog.admin.price_approvals.waiting_badge"},
            _page("Kill switches", "front_hand", "catalog", "killswitch"),
            _page("Approval policies", "group_work", "catalog", "approvalpolicy"),
            _page("Guardrail policies", "shield", "catalog", "guardrailpolicy"),
            _page("Policy history", "manage_history", "catalog", "guardrailpolicyversion"),
            _page("Price law", "gavel", "catalog", "pricelawrule"),
            _page("Purges of old prices", "auto_delete", "catalog", "ledgerpurge"),
            _page("Families and ladders", "stairs", "catalog", "pricegroup"),
        ],
    },
    {
        "title": "Optimiser",
        "items": [
            _page("Optimisation runs", "model_training", "optimizer", "optimizationrun"),
            _page("Simulations", "science", "optimizer", "simulation"),
            _page("Recommendations", "recommend", "optimizer", "recommendation"),
            _page("Markdown plans", "trending_down", "optimizer", "markdownplan"),
            _page("Run goals", "flag", "optimizer", "rungoals"),
            _page("Run limits", "speed", "optimizer", "runlimits"),
            _page("Daily runs", "bedtime", "optimizer", "runschedule"),
            _page("Training jobs", "school", "optimizer", "trainingjob"),
            _page("Elasticity fits", "ssid_chart", "optimizer", "elasticityfit"),
            _page("Elasticities", "query_stats", "optimizer", "elasticityestimate"),
            _page("Cross elasticities", "swap_horiz", "optimizer", "crosselasticity"),
            _page("Horizon policies", "route", "optimizer", "horizonpolicy"),
            _page("Shadow decisions", "visibility", "optimizer", "shadowdecision"),
            _page("Forecasters", "model_training", "optimizer", "demandforecaster"),
            _page("Forecasts", "show_chart", "optimizer", "demandforecast"),
        ],
    },
    {
        "title": "Experiments",
        "items": [
            _page("Price experiments", "science", "experiments", "priceexperiment"),
            _page("Listings in arms", "splitscreen", "experiments", "experimentunit"),
            _page("Layers", "layers", "experiments", "experimentlayer"),
            _page("Holdout", "shield_lock", "experiments", "holdoutpolicy"),
        ],
    },
    {
        "title": "Bandit",
        "collapsible": True,
        "items": [
            _page("What it learned", "insights", "experiments", "banditcontext"),
            _page("Policies", "emoji_events", "experiments", "banditexperiment"),
            {
                "title": "What others would earn",
                "icon": "compare_arrows",
                "link": reverse_lazy("admin:experiments_banditexperiment_evaluation"),
                "permission": _may_view("experiments", "banditexperiment"),
            },
            _page("Decisions", "casino", "experiments", "pricingdecision"),
            _page("Arms", "tune", "experiments", "banditarm"),
            _page("Demand intensity", "thermostat", "experiments", "intensitypolicy"),
            _page("Dead letters", "report", "experiments", "deadletter"),
        ],
    },
    {
        "title": "Facts",
        "items": [
            _page("Weekly sales", "bar_chart", "catalog", "weeklysales"),
            _page("Daily sales", "calendar_view_day", "catalog", "dailysales"),
            _page("Week conditions", "event_note", "catalog", "weekconditions"),
            _page("Competitor prices", "storefront", "catalog", "competitorprice"),
            _page("Competitors' offers", "timeline", "catalog", "competitoroffer"),
            _page("Sales imports", "upload_file", "catalog", "salesimport"),
            _page("Products", "inventory_2", "catalog", "product"),
            _page("Categories", "category", "catalog", "category"),
            _page("Channels", "hub", "catalog", "channel"),
        ],
    },
    {
        "title": "Access",
        "collapsible": True,
        "items": [
            _page("API keys", "key", "catalog", "apikey"),
            _page("Users", "person", "auth", "user"),
            _page("Groups", "group", "auth", "group"),
            _page("Activity", "visibility", "catalog", "adminaction"),
        ],
    },
]

# A price tag; inline, so that no page asks for a file that is not there.
FAVICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect width='24' height='24'"
    " rx='5' fill='%232563eb'/%3E%3Cpath d='M6 12 12 6h6v6l-6 6z' fill='white'/%3E%3C/svg%3E"
)

UNFOLD = {
    "SITE_TITLE": "Dynamic pricing",
    "SITE_HEADER": "Dynamic pricing",
    "SITE_SUBHEADER": "Prices, guardrails, runs",
    "SITE_SYMBOL": "price_change",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": FAVICON}],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": FIRST_PAGE,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.0% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .214 259.8)",
            "600": "oklch(54.6% .245 262.9)",
            "700": "oklch(48.8% .243 264.4)",
            "800": "oklch(42.4% .199 265.6)",
            "900": "oklch(37.9% .146 265.5)",
            "950": "oklch(28.2% .091 267.9)",
        },
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
}
