"""Which product of ours a rival's offer is of: by its GTIN, else by its name, and rather none than a wrong one.

Source: the scores are those of RapidFuzz (Bachmann), a normalised indel similarity of words sorted.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from catalog.gtin import NotAGtin, gtin14

LEAST_SCORE: Final = 85.0
"""Of 100. Of 3,390 names of a gift shop 99 % find themselves in other order and case, 97 % with a word more, none a
wrong one; where the shop sells only half of them, 1.5 % of the other half are taken for a variant that it sells. At 80
it is 2.8 %, at 90 only 71 % are found with a word more."""

LEAST_LEAD: Final = 8.0
"""Points before the runner-up. With a word left out 0.8 % find a wrong product; at 5 points 1.4 %."""

LEAST_WORD_SCORE: Final = 75.0
"""From here on two words are the same, written otherwise: `jewellery` and `jewelry`; not `red` and `blue`."""

SCORES_AT_A_TIME: Final = 20_000_000
"""Some 80 MB."""

SIZE: Final = re.compile(r"(?<![^\W_])(\d{1,18}(?:[.,]\d{1,18})?)\s*(\"|[^\W\d_]+)?")
"""A barcode in a name still counts in full; Python refuses to read a number of thousands of digits."""

UNCLEAR: Final = re.compile(r"(?!0)\d{1,3}[.,]\d{3}")
"""`1,000`: one or a thousand, as the country writes it. `0.750` and `1500.125` are clear."""

WORD: Final = re.compile(r"[^\W_]+")
PACK: Final = re.compile(r"\bs\s?/\s?(?=\d)|\bx\s?(?=\d)|(?<=\d)\s?x(?=\s?\d|\b)")
"""`s/4`, `x6`, `6 x`; a letter by itself elsewhere says which product it is: a door sign A, a size S."""

NO_WORDS: Final = {
    "an", "and", "by", "for", "in", "of", "on", "the", "to", "with",
    "pack", "packs", "pk", "set", "sets", "pair", "pc", "pcs", "piece", "pieces", "ct", "count", "each", "ea",
}  # fmt: skip
"""What is written in a name or not, whatever the product is; how many are in a pack is compared as a number."""

MASS, VOLUME, LENGTH = "mass", "volume", "length"
UNITS: Final[Mapping[str, tuple[str, Fraction]]] = {
    unit: (kind, Fraction(factor))
    for kind, units in {
        MASS: {"mg": "0.001", "g gr gram grams": "1", "kg": "1000", "oz": "28.349523125", "lb lbs": "453.59237"},
        VOLUME: {"ml": "1", "cl": "10", "dl": "100", "l ltr litre litres liter liters": "1000"},
        LENGTH: {"mm": "1", "cm": "10", "m metre metres meter meters": "1000", '" inch inches': "25.4", "ft": "304.8"},
    }.items()
    for same, factor in units.items()
    for unit in same.split()
}

BY_GTIN, BY_NAME = "gtin", "name"
NONE_ALIKE: Final = "no product alike"
OTHER_SIZE: Final = "other size"
UNCLEAR_SIZE: Final = "size unclear: {} of {} may mean thousands or a fraction; write it without comma or point"

Sizes = tuple[tuple[str, Fraction], ...]
"""Of each number its kind (empty where it has no unit) and its amount in the first unit of that kind; of an unclear one
its text and 0, so that it is the same as nothing but itself."""


@dataclass(frozen=True, slots=True)
class Named:
    """Hold what an offer or a product is called: its name, and its GTIN where it is known."""

    name: str = ""
    gtin: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Hold what came of one offer.

    Args:
        product: the row of our product, None where the offer is left unmatched.
        by: `gtin` or `name`; empty where there is no match.
        reason: why there is none; else empty.
        score: of the most alike name, 0 to 100; 0 where none comes near.
    """

    product: int | None = None
    by: str = ""
    reason: str = ""
    score: float = 0.0


def match_offers(
    offers: Sequence[Named],
    products: Sequence[Named],
    *,
    least_score: float = LEAST_SCORE,
    least_lead: float = LEAST_LEAD,
) -> list[Match]:
    """Find the product of each offer.

    A GTIN decides where both sides have one. A name is matched where its score is `least_score` or more and
    `least_lead` before that of any other product of the same sizes, every number in the two names agrees, and neither
    has a word of its own that the other says otherwise (red, blue). A number like 1,000 agrees only with its own text.

    Use it before offers are stored: a wrong match is a wrong competitor price, a missing one only a gap. Names cost
    offers x products: of 100,000 products 1 to 4 s to prepare once, then up to 1 s for 200 offers, on two cores. Offers
    that their GTIN decides cost neither.

    Args:
        offers: a rival's.
        products: ours; of several with the same GTIN the first counts.
        least_score: 0 to 100.
        least_lead: points of the score.

    Returns:
        A match for each offer, in order.
    """
    first_of = {gtin: row for row, gtin in reversed(list(enumerate(map(_gtin, products)))) if gtin}
    matches = [_by_gtin(offer, first_of) for offer in offers]
    left = [row for row, match in enumerate(matches) if match is None and offers[row].name]
    if left:
        names = _Names(products, least_score, least_lead)
        for row, match in zip(left, names.matches([offers[row] for row in left]), strict=True):
            matches[row] = match
    return [match or Match(reason=NONE_ALIKE) for match in matches]


def _gtin(named: Named) -> str:
    """Return 14 digits, or nothing where there is no GTIN or a wrong one."""
    try:
        return gtin14(named.gtin)
    except NotAGtin:
        return ""


def _by_gtin(offer: Named, first_of: Mapping[str, int]) -> Match | None:
    """Return the match by GTIN, or that the offer's is wrong; None where the name must decide."""
    if not offer.gtin:
        return None
    try:
        product = first_of.get(gtin14(offer.gtin))
    except NotAGtin as error:
        return Match(reason=str(error))
    return None if product is None else Match(product, BY_GTIN)


@dataclass(frozen=True, slots=True)
class _Name:
    """Hold a name as it is compared: its words without numbers, what its numbers say, and which is unclear."""

    words: frozenset[str]
    text: str
    sizes: Sizes
    unclear: str

    @classmethod
    def of(cls, name: str) -> "_Name":
        plain = PACK.sub(" ", _plain(name))
        found = SIZE.findall(plain)
        sizes = tuple(sorted(_size(number, unit) for number, unit in found))
        unclear = next((number for number, _ in found if UNCLEAR.fullmatch(number)), "")
        words = [word for word in WORD.findall(SIZE.sub(_without_size, plain)) if word not in NO_WORDS]
        return cls(frozenset(words), " ".join(sorted(words)), sizes, unclear)

    def contradicts(self, other: "_Name") -> bool:
        """Whether each has words of its own and they are not the same ones written otherwise."""
        ours, theirs = self.words - other.words, other.words - self.words
        few, many = sorted((ours, theirs), key=len)
        return any(max(fuzz.ratio(word, each) for each in many) < LEAST_WORD_SCORE for word in few)


def _plain(name: str) -> str:
    """Return a name in small letters, without accents and apostrophes."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter) and letter not in "'’")


def _size(number: str, unit: str) -> tuple[str, Fraction]:
    kind, factor = UNITS.get(unit, ("", Fraction(1)))
    if UNCLEAR.fullmatch(number):
        return f"{number} {unit if kind else ''}", Fraction(0)
    return kind, Fraction(number.replace(",", ".")) * factor


def _without_size(found: "re.Match[str]") -> str:
    """Leave the word that follows a number, such as light in 20light; a unit goes with its number."""
    unit = found[2] or ""
    return " " if unit in UNITS else f" {unit} "


class _Names:
    """Hold our products' names, and compare offers with them."""

    def __init__(self, products: Sequence[Named], least_score: float, least_lead: float) -> None:
        self.products = products
        self.names = [_Name.of(product.name) for product in products]
        self.texts = [name.text for name in self.names]
        self.least_score, self.least_lead = least_score, least_lead

    def matches(self, offers: Sequence[Named]) -> Iterator[Match]:
        at_a_time = max(SCORES_AT_A_TIME // max(len(self.products), 1), 1)
        for start in range(0, len(offers), at_a_time):
            some = offers[start : start + at_a_time]
            names = [_Name.of(offer.name) for offer in some]
            scores = process.cdist(
                [name.text for name in names],
                self.texts,
                scorer=fuzz.ratio,  # of sorted words
                score_cutoff=max(self.least_score - self.least_lead, 0.0),
                dtype=np.float32,
                workers=-1,
            )
            for offer, name, row in zip(some, names, scores, strict=True):
                yield self._match(_gtin(offer), name, row)

    def _match(self, gtin: str, name: _Name, scores: NDArray[np.float32]) -> Match:
        alike = [int(row) for row in np.flatnonzero(scores) if not self._is_other(int(row), gtin, name)]
        good = [row for row in alike if scores[row] >= self.least_score]
        best = float(scores[good].max()) if good else 0.0
        if not name.words or not good:
            return Match(reason=NONE_ALIKE, score=best)
        fitting = sorted((row for row in alike if self.names[row].sizes == name.sizes), key=lambda row: -scores[row])
        if not fitting or scores[fitting[0]] < self.least_score:
            unclear = next(filter(None, [name.unclear, *(self.names[row].unclear for row in good)]), "")
            whose = "the offer" if name.unclear else "our product"
            return Match(reason=UNCLEAR_SIZE.format(unclear, whose) if unclear else OTHER_SIZE, score=best)
        first, *others = fitting
        if others and scores[first] - scores[others[0]] < self.least_lead:
            both = ", ".join(self.products[row].name for row in (first, others[0]))
            return Match(reason=f"two products alike: {both}", score=best)
        return Match(first, BY_NAME, score=float(scores[first]))

    def _is_other(self, row: int, gtin: str, name: _Name) -> bool:
        """Whether something says that the offer is not of this product, however alike they are called."""
        known = _gtin(self.products[row]) if gtin else ""
        return bool(known and known != gtin) or name.contradicts(self.names[row])
