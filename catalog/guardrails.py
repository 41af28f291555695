"""Guardrails: which prices one SKU may take, in exact integer arithmetic.

Pure: numpy and the standard library only, because the web processes load it.

Units, everywhere in this file:

- a price is a number of **ticks**: minor units of the currency (pence, cents), int64;
- a cost is a number of **cost units**: hundredths of a tick (ten-thousandths of a pound), int64;
- a rate is a number of **basis points** (1 bp = 1/10,000), int64;
- `MISSING` stands for a value that is not there, in every array.

Precedence, strongest first: loss floor, minimum margin, MAP, floor, ceiling, maximum change, low stock, competitor
corridor, price ending. A conflict never raises: the stronger rule holds and the weaker one gets as near as it can.
Where two rules give the very same limit the answer names the weaker.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int8]

MISSING: Final = int(np.iinfo(np.int64).min)
"""The value that is not there, in every int64 array of this file."""

UNBOUNDED: Final = 10**15
"""An upper limit in ticks that no price reaches: float64 holds it exactly."""

BASIS: Final = 10_000
COST_UNITS_PER_TICK: Final = 100
MISSING_COST: Final = "missing_cost"
MISSING_CANDIDATE: Final = "missing_candidate"


class Rule(IntEnum):
    """Name what decided a price. `label` is the name that people and the API see."""

    UNPRICED = 0
    OWN_OPTIMUM = 1
    STOCK_LIMIT = 2
    LOSS_FLOOR = 3
    MIN_MARGIN = 4
    MAP = 5
    FLOOR = 6
    CEILING = 7
    MAX_CHANGE = 8
    LOW_STOCK = 9
    COMPETITOR = 10
    PRICE_ENDING = 11

    @property
    def label(self) -> str:
        """Return the name in lower case, as served: `max_change`."""
        return self.name.lower()


RULE_LABELS: Final = tuple(rule.label for rule in Rule)
"""Label of every rule code: `RULE_LABELS[code]`."""

HARD_RULES: Final = (Rule.LOSS_FLOOR, Rule.MIN_MARGIN, Rule.MAP, Rule.FLOOR, Rule.CEILING)
"""The rules that the publish gate refuses to break on any path, strongest first."""


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
    price_endings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require("min_margin_bp", self.min_margin_bp, 0, BASIS - 1)
        _require("max_change_bp", self.max_change_bp, 0, 1_000 * BASIS)
        _require("inventory_threshold", self.inventory_threshold, 0, UNBOUNDED)
        for name in ("floor", "ceiling", "map_price"):
            _require(name, getattr(self, name), 1, UNBOUNDED - 1)
        for name in ("competitor_min_bp", "competitor_max_bp"):
            _require(name, getattr(self, name), 1 - BASIS, 1_000 * BASIS)
        object.__setattr__(self, "price_endings", tuple(self.price_endings))
        for ending in self.price_endings:
            if not (isinstance(ending, str) and ending.isascii() and ending.isdigit() and len(ending) <= 4):
                raise ValueError(f"price_endings: {ending!r} is no ending; use one to four digits, such as '99'")

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as a JSON-able dict, for an explanation."""
        return asdict(self) | {"price_endings": list(self.price_endings)}

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
            competitor_max_bp: (sku,) int64, units as in `Guardrails`.
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
        columns = {name: _or_none(getattr(self, name)[index]) for name in INTEGER_FIELDS}
        return Guardrails(**columns, price_endings=self.ending_sets[int(self.ending_set[index])])


def int_column(values: Sequence[int | None]) -> Ints:
    """Return an int64 array with `MISSING` in place of every None."""
    return np.array([MISSING if value is None else value for value in values], dtype=np.int64)


def index_endings(endings: Sequence[tuple[str, ...]]) -> tuple[Ints, tuple[tuple[str, ...], ...]]:
    """Return (sku,) int64 indices into the distinct sets of endings, and those sets; set 0 is the empty one."""
    sets: dict[tuple[str, ...], int] = {(): 0}
    index = np.array([sets.setdefault(each, len(sets)) for each in endings], dtype=np.int64)
    return index, tuple(sets)


def _or_none(value: np.int64 | int) -> int | None:
    return None if value == MISSING else int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    """Hold the facts about many SKUs that the limits are measured against, one row a SKU.

    Args:
        cost_units: (sku,) int64, hundredths of a tick; `MISSING`, zero or less: the SKU is not priced.
        current_ticks: (sku,) int64, the price in force; `MISSING`, zero or less: maximum change and low stock do
            not apply.
        stock: (sku,) int64, units; `MISSING`: the low-stock rule does not apply.
        competitor_ticks: (sku,) int64, the competitor reference price; `MISSING`, zero or less: no corridor.
    """

    cost_units: Ints
    current_ticks: Ints
    stock: Ints
    competitor_ticks: Ints

    def __len__(self) -> int:
        return len(self.cost_units)

    @classmethod
    def single(
        cls,
        *,
        cost_units: int | None,
        current_ticks: int | None,
        stock: int | None = None,
        competitor_ticks: int | None = None,
    ) -> Self:
        """Return the facts about one SKU as a batch of one row; None for what is not known."""
        return cls(
            cost_units=int_column([cost_units]),
            current_ticks=int_column([current_ticks]),
            stock=int_column([stock]),
            competitor_ticks=int_column([competitor_ticks]),
        )


@dataclass(frozen=True, slots=True)
class Band:
    """Hold the admissible interval of one SKU in ticks, both ends included, and the rule behind each end.

    `upper` is `UNBOUNDED` and `upper_rule` is `Rule.OWN_OPTIMUM` where nothing limits the price from above.
    """

    lower: int
    upper: int
    lower_rule: Rule
    upper_rule: Rule


@dataclass(frozen=True, slots=True)
class BandBatch:
    """Hold the admissible intervals of many SKUs.

    Args:
        lower, upper: (sku,) int64 ticks, lower ≤ upper, both included; `MISSING` where not priced.
        lower_rule, upper_rule: (sku,) int8 codes of `Rule`.
        priced: (sku,) bool; False where the cost is missing or not positive.
    """

    lower: Ints
    upper: Ints
    lower_rule: Codes
    upper_rule: Codes
    priced: Bools

    def row(self, index: int) -> Band | None:
        """Return one SKU's interval, or None where it is not priced."""
        if not self.priced[index]:
            return None
        rules = Rule(int(self.lower_rule[index])), Rule(int(self.upper_rule[index]))
        return Band(int(self.lower[index]), int(self.upper[index]), *rules)


Interval = tuple[Rule, Ints, Ints]


def _known(values: Ints) -> Bools:
    return np.not_equal(values, MISSING)


def _positive(values: Ints) -> Bools:
    return np.greater(values, 0)


def _ceil_div(numerator: Ints, denominator: Ints | int) -> Ints:
    return -(-numerator // denominator)


def _scaled(ticks: Ints, rate_bp: Ints, applies: Bools) -> Ints:
    """Return ticks·(10,000 + rate), in ten-thousandths of a tick, with zero where the rule does not apply."""
    factor: Ints = BASIS + np.where(applies, rate_bp, 0)
    return np.where(applies, ticks, 0) * factor


def loss_floor_ticks(cost_units: Ints) -> Ints:
    """Return the lowest price that does not lose money: ⌈c⌉ in ticks."""
    return _ceil_div(cost_units, COST_UNITS_PER_TICK)


def margin_floor_ticks(cost_units: Ints, min_margin_bp: Ints) -> Ints:
    """Return the lowest price with the margin: the least p with p·(10,000 − margin) ≥ 10,000·c."""
    return _ceil_div(cost_units * (BASIS // COST_UNITS_PER_TICK), np.subtract(BASIS, min_margin_bp))


def _from_below(rule: Rule, low: Ints, applies: Bools) -> Interval:
    return rule, np.where(applies, low, 0), np.full(len(low), UNBOUNDED, dtype=np.int64)


def _hard_intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    """Yield the hard rules, strongest first, as (rule, low, high) in ticks."""
    cost = np.where(_positive(facts.cost_units), facts.cost_units, 0)
    everywhere = np.ones(len(facts), dtype=np.bool_)
    yield _from_below(Rule.LOSS_FLOOR, loss_floor_ticks(cost), everywhere)
    has_margin = _positive(limits.min_margin_bp)
    margin = np.where(has_margin, limits.min_margin_bp, 0)
    yield _from_below(Rule.MIN_MARGIN, margin_floor_ticks(cost, margin), has_margin)
    yield _from_below(Rule.MAP, limits.map_price, _known(limits.map_price))
    yield _from_below(Rule.FLOOR, limits.floor, _known(limits.floor))
    yield Rule.CEILING, np.zeros_like(cost), np.where(_known(limits.ceiling), limits.ceiling, UNBOUNDED)


def _soft_intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    """Yield the soft rules, strongest first, as (rule, low, high) in ticks."""
    current, rival = facts.current_ticks, facts.competitor_ticks
    moves = _known(limits.max_change_bp) & _positive(current)
    down, up = _scaled(current, -limits.max_change_bp, moves), _scaled(current, limits.max_change_bp, moves)
    yield Rule.MAX_CHANGE, _ceil_div(down, BASIS), np.where(moves, up // BASIS, UNBOUNDED)

    low_stock = _known(facts.stock) & _known(limits.inventory_threshold) & (facts.stock < limits.inventory_threshold)
    yield _from_below(Rule.LOW_STOCK, current, low_stock & _positive(current))

    near = _known(limits.competitor_min_bp) & _positive(rival)
    far = _known(limits.competitor_max_bp) & _positive(rival)
    low = _ceil_div(_scaled(rival, limits.competitor_min_bp, near), BASIS)
    high = np.where(far, _scaled(rival, limits.competitor_max_bp, far) // BASIS, UNBOUNDED)
    yield Rule.COMPETITOR, np.where(near, low, 0), high


def _intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    yield from _hard_intervals(limits, facts)
    yield from _soft_intervals(limits, facts)


def admissible_band(limits: GuardrailBatch, facts: PriceFacts) -> BandBatch:
    """Return the interval of prices that the rules allow, and the rule behind each end.

    Each rule is an interval. From the strongest to the weakest, the band becomes its intersection with the rule, or,
    where they do not meet, the one end of the band nearest to the rule (then both ends carry the stronger rule).
    Equal limits carry the name of the weaker rule, as long as the band is wider than one tick.

    Args:
        limits: one row a SKU.
        facts: one row a SKU, in the same order.

    Returns:
        A band with lower ≤ upper for every SKU that has a cost.

    Raises:
        ValueError: the two have different lengths; build both from the same SKUs.
    """
    if len(limits) != len(facts):
        raise ValueError(f"{len(limits)} rows of limits for {len(facts)} rows of facts; build both from the same SKUs")
    lower = np.zeros(len(facts), dtype=np.int64)
    upper = np.full(len(facts), UNBOUNDED, dtype=np.int64)
    lower_rule = np.full(len(facts), Rule.OWN_OPTIMUM, dtype=np.int8)
    upper_rule = lower_rule.copy()
    for rule, low, high in _intervals(limits, facts):
        raised = (low > lower) | ((low == lower) & (low > 0) & (lower < upper))
        lower_rule = np.where(raised, np.where(low <= upper, np.int8(rule), upper_rule), lower_rule)
        lower = np.where(raised, np.minimum(low, upper), lower)
        lowered = (high < upper) | ((high == upper) & (high < UNBOUNDED) & (lower < upper))
        upper_rule = np.where(lowered, np.where(high >= lower, np.int8(rule), lower_rule), upper_rule)
        upper = np.where(lowered, np.maximum(high, lower), upper)
    priced = _positive(facts.cost_units)
    return BandBatch(
        lower=np.where(priced, lower, MISSING),
        upper=np.where(priced, upper, MISSING),
        lower_rule=np.where(priced, lower_rule, np.int8(Rule.UNPRICED)),
        upper_rule=np.where(priced, upper_rule, np.int8(Rule.UNPRICED)),
        priced=priced,
    )


@dataclass(frozen=True, slots=True)
class EndingTable:
    """Hold, for each set of endings and each residue of a price, how far the nearest allowed endings are.

    Args:
        modulus: 10 to the length of the longest ending.
        up: (set, modulus) int64 ticks to the next allowed price at or above.
        down: (set, modulus) int64 ticks to the next allowed price at or below.
    """

    modulus: int
    up: Ints
    down: Ints

    @classmethod
    def build(cls, ending_sets: Sequence[tuple[str, ...]]) -> Self:
        """Return the table of some sets of endings; an empty set allows every price."""
        modulus = 10 ** max((len(ending) for each in ending_sets for ending in each), default=0)
        rows = [_ending_distances(each, modulus) for each in ending_sets]
        return cls(modulus, np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))

    def at_or_above(self, ticks: Ints, ending_set: Ints) -> Ints:
        """Return the lowest price with an allowed ending at or above `ticks`."""
        return ticks + self.up[ending_set, ticks % self.modulus]

    def at_or_below(self, ticks: Ints, ending_set: Ints) -> Ints:
        """Return the highest price with an allowed ending at or below `ticks`; below zero where there is none."""
        return ticks - self.down[ending_set, ticks % self.modulus]

    def sets_that_fit(self, lower: Ints, upper: Ints, ending_set: Ints) -> Ints:
        """Return `ending_set`, with 0 (any ending) where no allowed ending lies in the band."""
        return np.where(self.at_or_above(lower, ending_set) <= upper, ending_set, 0)


def _ending_distances(endings: tuple[str, ...], modulus: int) -> tuple[Ints, Ints]:
    residues = np.arange(modulus, dtype=np.int64)
    if not endings:
        return np.zeros_like(residues), np.zeros_like(residues)
    allowed = np.array([_has_ending(int(residue), endings) for residue in residues])
    ends = residues[allowed]
    up = (ends[None, :] - residues[:, None]) % modulus
    return up.min(axis=1), ((-up) % modulus).min(axis=1)


def _has_ending(ticks: int, endings: tuple[str, ...]) -> bool:
    return not endings or any(ticks % 10 ** len(ending) == int(ending) for ending in endings)


def _place_ending(ticks: Ints, lower: Ints, upper: Ints, ending_set: Ints, table: EndingTable) -> Ints:
    """Return the allowed ending in the band nearest to `ticks`, the lower of two equally near."""
    fitting = table.sets_that_fit(lower, upper, ending_set)
    below, above = table.at_or_below(ticks, fitting), table.at_or_above(ticks, fitting)
    take_above = (below < lower) | ((above <= upper) & (above - ticks < ticks - below))
    return np.where(take_above, above, below)


Trail = list[tuple[str, int, int]]
"""The clamps of one price in order: (rule, ticks before, ticks after). JSON-able."""


@dataclass(frozen=True, slots=True)
class Clamped:
    """Hold one price after its clamps.

    Args:
        price: ticks; None where the SKU is not priced.
        rule: what decided the price: `Rule.OWN_OPTIMUM` where the candidate stood.
        trail: every clamp that moved the price, in order.
        unpriced_reason: `"missing_cost"`, `"missing_candidate"`, or None.
    """

    price: int | None
    rule: Rule
    trail: Trail
    unpriced_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ClampedBatch:
    """Hold many prices after their clamps.

    Args:
        price: (sku,) int64 ticks, `MISSING` where not priced.
        rule: (sku,) int8 codes of `Rule`.
        band: the interval that each price was clamped to.
        steps: every rule that was applied, weakest first, with the (sku,) prices after it.
        candidate: (sku,) int64 ticks that went in.
    """

    price: Ints
    rule: Codes
    band: BandBatch
    steps: tuple[tuple[Rule, Ints], ...]
    candidate: Ints

    def trail(self, index: int) -> Trail:
        """Return the clamps that moved one SKU's price, in order."""
        trail: Trail = []
        before = int(self.candidate[index])
        if self.price[index] == MISSING:
            return trail
        for rule, prices in self.steps:
            after = int(prices[index])
            if after != before:
                trail.append((rule.label, before, after))
            before = after
        return trail

    def row(self, index: int) -> Clamped:
        """Return one SKU's price with its trail."""
        return Clamped(
            price=_or_none(self.price[index]),
            rule=Rule(int(self.rule[index])),
            trail=self.trail(index),
            unpriced_reason=self.unpriced_reason(index),
        )

    def unpriced_reason(self, index: int) -> str | None:
        """Return why one SKU has no price, or None where it has one."""
        if not self.band.priced[index]:
            return MISSING_COST
        return MISSING_CANDIDATE if self.candidate[index] == MISSING else None


def clamp_batch(candidate: Ints, limits: GuardrailBatch, facts: PriceFacts) -> ClampedBatch:
    """Clamp candidate prices to the guardrails: each rule in turn, weakest first, then the price ending.

    The composition of the clamps, the strongest last, equals one clamp to `admissible_band`. Where rules conflict the
    trail shows both, even where the price ends where it began.

    Args:
        candidate: (sku,) int64 ticks; `MISSING` where there is none.
        limits: one row a SKU.
        facts: one row a SKU.

    Returns:
        The prices, the rule that binds each, and the trail of every clamp.

    Raises:
        ValueError: the arguments have different lengths; build them from the same SKUs.
    """
    band = admissible_band(limits, facts)
    if len(candidate) != len(limits):
        raise ValueError(f"{len(candidate)} candidates for {len(limits)} rows of limits; give one for each SKU")
    has_price = band.priced & _known(candidate)
    price = np.where(has_price, candidate, 0)
    rule = np.where(has_price, np.int8(Rule.OWN_OPTIMUM), np.int8(Rule.UNPRICED))
    steps: list[tuple[Rule, Ints]] = []
    for name, after in _clamps(price, band, limits, facts):
        rule = np.where(has_price & (after != price), np.int8(name), rule)
        steps.append((name, after))
        price = after
    return ClampedBatch(np.where(has_price, price, MISSING), rule, band, tuple(steps), candidate)


def _clamps(price: Ints, band: BandBatch, limits: GuardrailBatch, facts: PriceFacts) -> Iterator[tuple[Rule, Ints]]:
    for rule, low, high in reversed(list(_intervals(limits, facts))):
        # A corridor narrower than one tick has low > high: its low side holds, as in `admissible_band`.
        price = np.maximum(np.minimum(price, high), low)
        yield rule, price
    table = EndingTable.build(limits.ending_sets)
    lower, upper = np.where(band.priced, band.lower, 0), np.where(band.priced, band.upper, UNBOUNDED)
    yield Rule.PRICE_ENDING, _place_ending(price, lower, upper, limits.ending_set, table)


def band_of(
    guardrails: Guardrails,
    *,
    cost_units: int | None,
    current_ticks: int | None,
    stock: int | None = None,
    competitor_ticks: int | None = None,
) -> Band | None:
    """Return one SKU's admissible interval, or None where it has no cost. Arguments as in `PriceFacts`."""
    facts = PriceFacts.single(
        cost_units=cost_units, current_ticks=current_ticks, stock=stock, competitor_ticks=competitor_ticks
    )
    return admissible_band(GuardrailBatch.from_rows([guardrails]), facts).row(0)


def clamp_price(
    candidate: int | None,
    guardrails: Guardrails,
    *,
    cost_units: int | None,
    current_ticks: int | None,
    stock: int | None = None,
    competitor_ticks: int | None = None,
) -> Clamped:
    """Clamp one candidate price (ticks) to its guardrails: `clamp_batch` with a single row."""
    facts = PriceFacts.single(
        cost_units=cost_units, current_ticks=current_ticks, stock=stock, competitor_ticks=competitor_ticks
    )
    return clamp_batch(int_column([candidate]), GuardrailBatch.from_rows([guardrails]), facts).row(0)


def admissible_prices(band: Band, endings: Sequence[str] = ()) -> Iterator[int]:
    """Yield every price in the band with an allowed ending, rising; every tick of the band where no ending fits.

    Use it to check a price by brute force. The band must be bounded.

    Raises:
        ValueError: the band has no upper limit; give a ceiling, or a current price with a maximum change.
    """
    if band.upper >= UNBOUNDED:
        raise ValueError("the band has no upper limit; give a ceiling, or a current price with a maximum change")
    allowed = tuple(endings)
    fits = any(_has_ending(ticks, allowed) for ticks in range(band.lower, band.upper + 1))
    for ticks in range(band.lower, band.upper + 1):
        if not fits or _has_ending(ticks, allowed):
            yield ticks


def violations_batch(price: Ints, limits: GuardrailBatch, facts: PriceFacts) -> dict[Rule, Bools]:
    """Return, for each hard rule, which prices break it; the publish gate's own check.

    A ceiling below a stronger hard rule is not broken by a price at that rule. A SKU without a cost breaks
    `Rule.UNPRICED`, whatever the price; so does a price that is `MISSING`.

    Args:
        price: (sku,) int64 ticks.
        limits: one row a SKU.
        facts: one row a SKU; only the cost is read.

    Returns:
        A (sku,) bool mask under each of `HARD_RULES` and under `Rule.UNPRICED`.
    """
    unpriced = ~_positive(facts.cost_units) | ~_known(price)
    broken: dict[Rule, Bools] = {Rule.UNPRICED: unpriced}
    least = np.zeros(len(facts), dtype=np.int64)
    for rule, low, high in _hard_intervals(limits, facts):
        broken[rule] = ~unpriced & ((price < low) | (price > np.maximum(high, least)))
        least = np.maximum(least, low)
    return broken


def hard_floor_ticks(limits: GuardrailBatch, facts: PriceFacts) -> Ints:
    """Return (sku,) int64 ticks below which no automatic price may be published; `MISSING` where there is no cost."""
    floor = np.zeros(len(facts), dtype=np.int64)
    for _, low, _ in _hard_intervals(limits, facts):
        floor = np.maximum(floor, low)
    return np.where(_positive(facts.cost_units), floor, MISSING)


def violations(price: int | None, guardrails: Guardrails, *, cost_units: int | None) -> tuple[Rule, ...]:
    """Return the hard rules that one price (ticks) breaks, strongest first; empty where it may be published."""
    facts = PriceFacts.single(cost_units=cost_units, current_ticks=None)
    broken = violations_batch(int_column([price]), GuardrailBatch.from_rows([guardrails]), facts)
    return tuple(rule for rule, mask in broken.items() if mask[0])
