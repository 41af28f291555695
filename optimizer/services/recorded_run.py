"""What the chunks of a whole run recorded, as arrays: a million explanations would not fit into memory."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails, Ints
from catalog.models.listing import HELD_SOURCES
from catalog.selectors.price_groups import RelatedListings
from optimizer.engine import PricingInputs
from optimizer.engine.joint import RelatedSkus
from optimizer.models import OptimizationRun

NO_CATEGORY: Final = "no category"
READ_AT_ONCE: Final = 50_000
WHOLE: Final = {
    "current_ticks": "current_price_ticks",
    "cost_units": "cost_units",
    "inventory": "inventory",
    "competitor_ticks": "competitor_price_ticks",
    "day_start_ticks": "day_start_ticks",
    "changes_today": "changes_today",
    "price": "price_ticks",
}
"""Whole numbers of an explanation's replay, by the names that the engine gives them."""

REAL: Final = ("demand", "elasticity_mean", "elasticity_sd", "log_demand_sd")

READ_SQL = f"""
SELECT recommendation.listing_id, {", ".join(f"coalesce(replay.{name}, %(missing)s)" for name in WHOLE.values())},
       {", ".join(f"replay.{name}" for name in REAL)}, replay.guardrails,
       listing.price_source = ANY(%(held)s) OR listing.markdown_until IS NOT NULL, coalesce(category.code, %(none)s),
       product.is_kvi
  FROM optimizer_recommendation recommendation
 CROSS JOIN LATERAL jsonb_to_record(recommendation.explanation -> 'replay') AS replay (
       {", ".join(f"{name} bigint" for name in WHOLE.values())}, {", ".join(f"{name} float8" for name in REAL)},
       guardrails text)
  JOIN catalog_listing listing ON listing.id = recommendation.listing_id
  JOIN catalog_product product ON product.id = listing.product_id
  LEFT JOIN catalog_category category ON category.id = product.category_id
 WHERE recommendation.run_id = %(run)s AND jsonb_typeof(recommendation.explanation -> 'replay') = 'object'
   AND (%(only)s::bigint[] IS NULL OR recommendation.listing_id = ANY(%(only)s))
 ORDER BY recommendation.listing_id
"""  # noqa: S608  made of the names above


@dataclass(frozen=True)
class RecordedRun:
    """Hold what was recorded, one entry a listing that has recorded inputs, in the order of the keys.

    Args:
        inputs: the engine's inputs.
        listing: (sku,) int64 keys.
        alone: (sku,) int64 ticks, the price that was recommended; `MISSING` where none was, and where a person or a
            markdown plan holds the price now.
        category: (sku,) str codes.
        is_kvi: (sku,) bool.
    """

    inputs: PricingInputs
    listing: Ints
    alone: Ints
    category: NDArray[np.str_]
    is_kvi: NDArray[np.bool_]

    @classmethod
    def read(cls, run: OptimizationRun, *, only: Collection[int] | None = None) -> Self:
        """Return what a run recorded, of all listings or ``only`` of some, in about 200 bytes a listing."""
        parts: list[dict[str, Any]] = []
        limits: dict[str, Guardrails] = {}
        rows: list[Guardrails] = []
        given: dict[str, Any] = {"run": run.pk, "missing": MISSING, "held": [*HELD_SOURCES], "none": NO_CATEGORY}
        given["only"] = None if only is None else [*only]
        with connection.chunked_cursor() as cursor:
            cursor.execute(READ_SQL, given)
            while found := cursor.fetchmany(READ_AT_ONCE):
                columns = [*zip(*found, strict=True)]
                rows += [_guardrails(text, limits) for text in columns[1 + len(WHOLE) + len(REAL)]]
                parts.append(_arrays(columns))
        if not parts:
            parts = [_arrays([()] * (5 + len(WHOLE) + len(REAL)))]
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        arrays["alone"] = np.where(arrays.pop("held"), MISSING, arrays.pop("price"))
        own = {name: arrays.pop(name) for name in ("listing", "alone", "category", "is_kvi")}
        return cls(PricingInputs(**arrays, guardrails=GuardrailBatch.from_rows(rows)), **own)

    def complete(self, groups: Iterable[RelatedListings]) -> list[RelatedListings]:
        """Return the groups whose members are all here."""
        found = list(groups)
        place = self.places(found)
        return [group for group in found if all(row.pk in place for row in group.listings)]

    def related(self, groups: Sequence[RelatedListings]) -> list[RelatedSkus]:
        """Return complete groups as the engine takes them."""
        place = self.places(groups)
        return [
            RelatedSkus(rule=group.rule, rows=[place[row.pk] for row in group.listings], places=group.places)
            for group in groups
        ]

    def places(self, groups: Sequence[RelatedListings]) -> dict[int, int]:
        """Return where the members of groups stand, by listing; those that are not here are left out."""
        wanted = np.unique(np.array([row.pk for group in groups for row in group.listings], dtype=np.int64))
        wanted = wanted[np.isin(wanted, self.listing)]
        return dict(zip(wanted.tolist(), np.searchsorted(self.listing, wanted).tolist(), strict=True))


def _arrays(columns: list[tuple[Any, ...]]) -> dict[str, Any]:
    first, real = 1 + len(WHOLE), 1 + len(WHOLE) + len(REAL)
    whole = {name: np.array(columns[1 + at], dtype=np.int64) for at, name in enumerate(WHOLE)}
    reals = {name: np.array(columns[first + at], dtype=np.float64) for at, name in enumerate(REAL)}
    return {
        "listing": np.array(columns[0], dtype=np.int64),
        **whole,
        **reals,
        "held": np.array(columns[real + 1], dtype=bool),
        "category": np.array(columns[real + 2], dtype=np.str_),
        "is_kvi": np.array(columns[real + 3], dtype=bool),
    }


def _guardrails(text: str, known: dict[str, Guardrails]) -> Guardrails:
    """Return the limits that a text says; the same object for the same text."""
    if text not in known:
        known[text] = Guardrails.from_dict(json.loads(text))
    return known[text]
