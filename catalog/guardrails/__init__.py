"""Guardrails: which prices one SKU may take, in exact integer arithmetic.

Pure: numpy and the standard library only, because the web processes load it.

Units, everywhere in this package:

- a price is a number of **ticks**: minor units of the currency (pence, cents), int64;
- a cost is a number of **cost units**: hundredths of a tick (ten-thousandths of a pound), int64;
- a rate is a number of **basis points** (1 bp = 1/10,000), int64;
- `MISSING` stands for a value that is not there, in every array.

Precedence, strongest first: loss floor, minimum margin, MAP, floor, ceiling (the hard rules); changes per day, maximum
change, maximum change per day (the step rules); low stock, competitor corridor, price ending. A conflict never raises:
the stronger rule holds and the weaker one gets as near as it can. Where two rules give the very same limit the answer
names the weaker.

The step rules, by name: `changes_per_day` holds the price in force once a SKU has used up its changes of a day;
`max_change` limits one step, against the price in force; `max_change_per_day` limits the sum of a day's steps, against
the price that was in force when the day began. A day is the 24 hours before the decision.
"""

from .arrays import MISSING, Bools, Codes, Ints, int_column
from .band import Band, BandBatch, admissible_band, band_of
from .checking import step_violations_batch, violations, violations_batch
from .clamping import Clamped, ClampedBatch, Trail, clamp_batch, clamp_price
from .endings import EndingTable, admissible_prices
from .facts import PriceFacts
from .intervals import Interval, hard_floor_ticks, hard_interval, loss_floor_ticks, margin_floor_ticks
from .limits import (
    FIELD_NAMES,
    INTEGER_FIELDS,
    GuardrailBatch,
    Guardrails,
    ResolvedGuardrails,
    index_endings,
    resolve_guardrails,
)
from .relations import RELATIONS, Place, pair_binds, pair_shortfall, relation_shortfalls
from .rules import (
    BASIS,
    COST_UNITS_PER_TICK,
    HARD_RULES,
    MISSING_CANDIDATE,
    MISSING_COST,
    RULE_LABELS,
    STEP_RULES,
    UNBOUNDED,
    Rule,
)

__all__ = [
    "BASIS",
    "COST_UNITS_PER_TICK",
    "FIELD_NAMES",
    "HARD_RULES",
    "INTEGER_FIELDS",
    "MISSING",
    "MISSING_CANDIDATE",
    "MISSING_COST",
    "RELATIONS",
    "RULE_LABELS",
    "STEP_RULES",
    "UNBOUNDED",
    "Band",
    "BandBatch",
    "Bools",
    "Clamped",
    "ClampedBatch",
    "Codes",
    "EndingTable",
    "GuardrailBatch",
    "Guardrails",
    "Interval",
    "Ints",
    "Place",
    "PriceFacts",
    "ResolvedGuardrails",
    "Rule",
    "Trail",
    "admissible_band",
    "admissible_prices",
    "band_of",
    "clamp_batch",
    "clamp_price",
    "hard_floor_ticks",
    "hard_interval",
    "index_endings",
    "int_column",
    "loss_floor_ticks",
    "margin_floor_ticks",
    "pair_binds",
    "pair_shortfall",
    "relation_shortfalls",
    "resolve_guardrails",
    "step_violations_batch",
    "violations",
    "violations_batch",
]
