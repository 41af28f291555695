"""What a simulation supposes: typed, checked when it is made, and kept as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Self

GUARDRAIL_BOUNDS: Final = {
    "min_margin": (Decimal(0), Decimal("0.95")),
    "max_change": (Decimal(0), Decimal(1)),
    "competitor_min": (Decimal("-0.99"), Decimal(10)),
    "competitor_max": (Decimal("-0.99"), Decimal(10)),
}
COST_CHANGE_BOUNDS: Final = (Decimal("-0.99"), Decimal(10))
MAX_SKUS: Final = 10_000
MAX_CATEGORIES: Final = 1_000
DECIMALS: Final = 4  # of a fraction: a basis point


class InvalidAssumptions(ValueError):
    """An assumption cannot be used; ``path`` names the field, the message the cure."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(f"{'.'.join(path)}: {message}")
        self.path, self.message = path, message


@dataclass(frozen=True)
class CostChange:
    """Suppose that unit costs change by a fraction: 0.05 is +5 %. Of a category's products, or of all."""

    change: Decimal
    category: str | None = None


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Hold what a simulation changes of the world, and to which products it is limited.

    Args:
        guardrails: trial limits by name (`min_margin`, `max_change`, `competitor_min`, `competitor_max`), fractions as
            in a guardrail policy; each takes the place of whatever the policies say.
        cost_changes: of several, a category's own counts for its products; else the one of all.
        categories, skus: only these products; both empty: the whole channel.

    Raises:
        InvalidAssumptions: an unknown limit, a number out of its bounds, a repeated or empty entry.
    """

    guardrails: Mapping[str, Decimal] = field(default_factory=dict)
    cost_changes: tuple[CostChange, ...] = ()
    categories: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in self.guardrails.items():
            if name not in GUARDRAIL_BOUNDS:
                raise InvalidAssumptions(("guardrails", name), f"unknown: the limits are {', '.join(GUARDRAIL_BOUNDS)}")
            _check_fraction(("guardrails", name), value, GUARDRAIL_BOUNDS[name])
        self._check_corridor()
        for index, cost in enumerate(self.cost_changes):
            _check_fraction(("cost_changes", str(index), "change"), cost.change, COST_CHANGE_BOUNDS)
        _check_distinct("cost_changes", [cost.category or "" for cost in self.cost_changes], MAX_CATEGORIES)
        _check_distinct("categories", self.categories, MAX_CATEGORIES)
        _check_distinct("skus", self.skus, MAX_SKUS)

    def _check_corridor(self) -> None:
        lowest, highest = self.guardrails.get("competitor_min"), self.guardrails.get("competitor_max")
        if lowest is not None and highest is not None and lowest > highest:
            raise InvalidAssumptions(("guardrails", "competitor_max"), "is below competitor_min: raise it")

    @property
    def is_hypothetical(self) -> bool:
        """Whether prices were computed for a world that is not the real one; else only the choice of products is."""
        return bool(self.guardrails or self.cost_changes)

    @property
    def is_subset(self) -> bool:
        return bool(self.categories or self.skus)

    def cost_change_of(self, category: str | None) -> Decimal | None:
        """Return the change supposed for the products of a category; None where costs stay."""
        by_category = {cost.category: cost.change for cost in self.cost_changes}
        own = by_category.get(category) if category is not None else None
        return by_category.get(None) if own is None else own

    def as_dict(self) -> dict[str, Any]:
        """Return them JSON-able; what is not supposed is left out."""
        stored = {
            "guardrails": {name: str(value) for name, value in self.guardrails.items()},
            "cost_changes": [
                {"change": str(cost.change)} | ({"category": cost.category} if cost.category else {})
                for cost in self.cost_changes
            ],
            "categories": list(self.categories),
            "skus": list(self.skus),
        }
        return {name: value for name, value in stored.items() if value}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `as_dict` wrote."""
        return cls(
            guardrails={name: Decimal(value) for name, value in stored.get("guardrails", {}).items()},
            cost_changes=tuple(
                CostChange(Decimal(cost["change"]), cost.get("category")) for cost in stored.get("cost_changes", [])
            ),
            categories=tuple(stored.get("categories", [])),
            skus=tuple(stored.get("skus", [])),
        )


def _check_fraction(path: tuple[str, ...], value: Decimal, bounds: tuple[Decimal, Decimal]) -> None:
    lowest, highest = bounds
    if not value.is_finite() or not lowest <= value <= highest or value != round(value, DECIMALS):
        raise InvalidAssumptions(
            path,
            f"got {value}; give a fraction from {lowest} to {highest} with at most {DECIMALS} decimals, 0.05 is 5 %",
        )


def _check_distinct(name: str, values: Sequence[str], at_most: int) -> None:
    if len(values) > at_most:
        raise InvalidAssumptions((name,), f"{len(values)} are too many: give at most {at_most}")
    repeated = next((value for value, times in Counter(values).items() if times > 1), None)
    if repeated is not None:
        raise InvalidAssumptions((name,), f"{repeated or 'all products'!r} is there twice: leave one out")
