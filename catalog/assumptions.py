"""Facts made up for a shop that does not give them: costs, stock, competitor offers, categories.

The rule, so that anyone can work a figure out: a number u in [0, 1) is drawn from SHA-256 of ``"<purpose>:<sku>"``.

- unit cost: list price x (0.40 + 0.20 u); where u(``no-cost``) < 0.02 there is none, so that the report
  shows such SKUs;
- stock: mean weekly units of the last eight weeks x (0.5 + 11.5 u), rounded up;
- two competitors, each offering where u < 0.6: list price x (0.90 + 0.20 u);
- category: the first word of the product's name that stands in ``CATEGORY_WORDS``, else ``other``.

Every such fact is marked *assumed* in the database. Pure: no Django.
"""

import hashlib
import math
from decimal import ROUND_HALF_EVEN, Decimal

COMPETITORS = ("assumed-rival-a", "assumed-rival-b")
CATEGORY_WORDS = {
    "bag": "bags", "bags": "bags", "mug": "mugs-and-cups", "cup": "mugs-and-cups", "cups": "mugs-and-cups",
    "candle": "candles", "candles": "candles", "t-light": "candles", "holder": "holders", "card": "cards",
    "cards": "cards", "wrap": "wrapping", "ribbon": "wrapping", "ribbons": "wrapping", "clock": "clocks",
    "lamp": "lights", "lights": "lights", "light": "lights", "lantern": "lights", "cushion": "cushions",
    "necklace": "jewellery", "bracelet": "jewellery", "earrings": "jewellery", "ring": "jewellery", "box": "boxes",
    "tin": "tins", "tins": "tins", "jar": "jars", "bottle": "bottles", "bowl": "tableware", "plate": "tableware",
    "plates": "tableware", "napkins": "tableware", "tray": "tableware", "tea": "tea-and-coffee",
    "coffee": "tea-and-coffee", "sign": "signs", "frame": "frames", "mirror": "mirrors", "garland": "garlands",
    "christmas": "christmas", "easter": "easter", "toy": "toys", "doll": "toys", "game": "toys",
    "notebook": "stationery",
    "pencil": "stationery", "pencils": "stationery", "pen": "stationery", "umbrella": "umbrellas", "hook": "hooks",
    "heart": "decoration", "bird": "decoration", "flower": "decoration", "star": "decoration", "cake": "baking",
    "baking": "baking", "cutter": "baking", "kit": "kits", "set": "sets",
}  # fmt: skip
OTHER = "other"
TEN_THOUSANDTH = Decimal("0.0001")
CENT = Decimal("0.01")


def uniform(purpose: str, sku: str) -> Decimal:
    """Return the SKU's number in [0, 1) for one purpose; always the same."""
    digest = hashlib.sha256(f"{purpose}:{sku}".encode()).digest()
    return Decimal(int.from_bytes(digest[:6])) / Decimal(2**48)


def assumed_unit_cost(sku: str, list_price: Decimal) -> Decimal | None:
    if uniform("no-cost", sku) < Decimal("0.02"):
        return None
    share = Decimal("0.40") + Decimal("0.20") * uniform("cost", sku)
    return (list_price * share).quantize(TEN_THOUSANDTH, ROUND_HALF_EVEN)


def assumed_inventory(sku: str, weekly_units: float) -> int:
    """Return units in stock for mean weekly units of the last eight weeks."""
    return math.ceil(weekly_units * (0.5 + 11.5 * float(uniform("stock", sku))))


def assumed_offers(sku: str, list_price: Decimal) -> dict[str, Decimal]:
    """Return the made-up offers by competitor; empty for SKUs that no competitor sells."""
    offers = {}
    for competitor in COMPETITORS:
        if uniform(f"{competitor}-sells", sku) < Decimal("0.6"):
            factor = Decimal("0.90") + Decimal("0.20") * uniform(competitor, sku)
            offers[competitor] = max(CENT, (list_price * factor).quantize(CENT, ROUND_HALF_EVEN))
    return offers


def assumed_category(name: str) -> str:
    words = name.lower().replace(",", " ").split()
    return next((CATEGORY_WORDS[word] for word in words if word in CATEGORY_WORDS), OTHER)
