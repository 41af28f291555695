"""The limits of one SKU, merged from policy layers, and of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np

from .arrays import Ints, int_column, or_none
from .rules import BASIS, UNBOUNDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrails:
    """Hold the resolved limits of one SKU; `None` means that the limit does not apply.

    Args:
        min_margin_bp: least margin (p − c)/p, basis points, 0 to 9,999.
        max_change_bp: largest change against the price in force, basis points, ≥ 0.
        inventory_threshold: units; with less in stock the price is not lowered, ≥ 0.
        floor: lowest price, ticks, > 0.
        ceiling: highest price, ticks, > 0.
        map_price: minimum advertised price, ticks, > 0.
        competitor_min_bp: lowest distance to the competitor reference price, basis points, > −10,000.
        competitor_max_bp: highest distance to the competitor reference price, basis points, > −10,000.
        max_change_per_day_bp: largest change against the price in force 24 hours ago, basis points, ≥ 0.
        max_changes_per_day: changes within 24 hours after which the price stays as it is, ≥ 0.
        price_endings: allowed last digits of the price in minor units, such as `("99", "49")`; empty for any.

    Raises:
        ValueError: a limit is outside its domain; the message names the field and the domain to keep to.
    """

    min_margin_bp: int | None = 1500
    max_change_bp: int | None = 2000
    inventory_threshold: int | None = 50
    floor: int | None = None
    ceiling: int | None = None
    map_price: int | None = None
    competitor_min_bp: int | None = None
    competitor_max_bp: int | None = None
    max_change_per_day_bp: int | None = None
    max_changes_per_day: int | None = None
    price_endings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require("min_margin_bp", self.min_margin_bp, 0, BASIS - 1)
        for name in ("max_change_bp", "max_change_per_day_bp"):
            _require(name, getattr(self, name), 0, 1_000 * BASIS)
        for name in ("inventory_threshold", "max_changes_per_day"):
            _require(name, getattr(self, name), 0, UNBOUNDED)
        for name in ("floor", "ceiling", "map_price"):
            _require(name, getattr(self, name), 1, UNBOUNDED - 1)
        for name in ("competitor_min_bp", "competitor_max_bp"):
            _require(name, getattr(self, name), 1 - BASIS, 1_000 * BASIS)
        object.__setattr__(self, "price_endings", tuple(self.price_endings))
        for ending in self.price_endings:
            if not (isinstance(ending, str) and ending.isascii() and ending.isdigit() and len(ending) <= 4):
                raise ValueError(f"price_endings: {ending!r} is no ending; use one to four digits, such as '99'")

    @property
    def limits_a_day(self) -> bool:
        """Whether a limit needs to know what the price did within the last day."""
        return self.max_change_per_day_bp is not None or self.max_changes_per_day is not None

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as a JSON-able dict, for an explanation."""
        return {name: getattr(self, name) for name in FIELD_NAMES} | {"price_endings": list(self.price_endings)}

    @classmethod
    def from_dict(cls, limits: Mapping[str, Any]) -> Self:
        """Return the limits that `as_dict` wrote; fields that are absent keep their defaults."""
        _reject_unknown(limits)
        return cls(**dict(limits))


FIELD_NAMES: Final = tuple(field.name for field in fields(Guardrails))
INTEGER_FIELDS: Final = FIELD_NAMES[:-1]


def _require(name: str, value: int | None, lowest: int, highest: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not lowest <= value <= highest:
        raise ValueError(f"{name}: got {value!r}; give a whole number from {lowest} to {highest}, or None for no limit")


def _reject_unknown(limits: Mapping[str, Any]) -> None:
    unknown = sorted(set(limits) - set(FIELD_NAMES))
    if unknown:
        raise ValueError(f"unknown guardrail {unknown[0]!r}; the guardrails are {', '.join(FIELD_NAMES)}")


@dataclass(frozen=True, slots=True)
class ResolvedGuardrails:
    """Hold the limits in force and, for each, the layer that it came from (`"default"` where no layer set it)."""

    guardrails: Guardrails
    sources: dict[str, str]


def resolve_guardrails(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> ResolvedGuardrails:
    """Merge policy layers into the limits of one SKU: for each field, the narrowest value that is not None wins.

    Use it with the layers global < category < product < channel, widest first. An empty `price_endings` tuple is a
    value (any ending), None is not.

    Args:
        layers: pairs of a layer's name and its partial policy, `Guardrails` field to value, widest layer first.

    Returns:
        The limits, and which layer each came from.

    Raises:
        ValueError: a layer names an unknown field, or a value is outside its domain (the message says which).
    """
    limits: dict[str, Any] = {}
    sources = dict.fromkeys(FIELD_NAMES, "default")
    for layer, policy in layers:
        _reject_unknown(policy)
        for name, value in policy.items():
            if value is not None:
                limits[name] = value
                sources[name] = layer
    return ResolvedGuardrails(Guardrails.from_dict(limits), sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailBatch:
    """Hold the limits of many SKUs, one row a SKU; `MISSING` where a limit does not apply.

    Args:
        min_margin_bp, max_change_bp, inventory_threshold, floor, ceiling, map_price, competitor_min_bp,
            competitor_max_bp, max_change_per_day_bp, max_changes_per_day: (sku,) int64, units as in `Guardrails`.
        ending_set: (sku,) int64, index into `ending_sets`.
        ending_sets: the few distinct sets of price endings; the first is always the empty one.
    """

    min_margin_bp: Ints
    max_change_bp: Ints
    inventory_threshold: Ints
    floor: Ints
    ceiling: Ints
    map_price: Ints
    competitor_min_bp: Ints
    competitor_max_bp: Ints
    max_change_per_day_bp: Ints
    max_changes_per_day: Ints
    ending_set: Ints
    ending_sets: tuple[tuple[str, ...], ...] = ((),)

    def __len__(self) -> int:
        return len(self.min_margin_bp)

    @classmethod
    def uniform(cls, guardrails: Guardrails, size: int) -> Self:
        """Return the same limits for `size` SKUs."""
        return cls.from_rows([guardrails]).take(np.zeros(size, dtype=np.int64))

    @classmethod
    def from_rows(cls, rows: Sequence[Guardrails]) -> Self:
        """Return one row for each `Guardrails`, in order."""
        columns = {name: int_column([getattr(row, name) for row in rows]) for name in INTEGER_FIELDS}
        ending_set, ending_sets = index_endings([row.price_endings for row in rows])
        return cls(**columns, ending_set=ending_set, ending_sets=ending_sets)

    def take(self, rows: Ints | slice) -> Self:
        """Return some of the rows: an index array or a slice."""
        columns = {name: getattr(self, name)[rows] for name in INTEGER_FIELDS}
        return type(self)(**columns, ending_set=self.ending_set[rows], ending_sets=self.ending_sets)

    def row(self, index: int) -> Guardrails:
        """Return one row as `Guardrails`."""
        columns = {name: or_none(getattr(self, name)[index]) for name in INTEGER_FIELDS}
        return Guardrails(**columns, price_endings=self.ending_sets[int(self.ending_set[index])])


def index_endings(endings: Sequence[tuple[str, ...]]) -> tuple[Ints, tuple[tuple[str, ...], ...]]:
    """Return (sku,) int64 indices into the distinct sets of endings, and those sets; set 0 is the empty one."""
    sets: dict[tuple[str, ...], int] = {(): 0}
    index = np.array([sets.setdefault(each, len(sets)) for each in endings], dtype=np.int64)
    return index, tuple(sets)
