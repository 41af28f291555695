"""Clamp ten million random cases and look for one that breaks a rule.

Asserted of every case: no hard rule is broken (worked out anew from the inputs, in integers, not by
`catalog.guardrails`), a price that moved names the rule that moved it, and a rule is named only where one moved the
price, though another may have moved it back. Of a random sample: the scalar `clamp_price` gives the very same price,
rule and trail, and an oracle in fractions, which shares no code, the same price.
Run: ``.venv/bin/python -m benchmarks.guardrail_cases``
"""

import argparse
import platform
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from catalog.guardrails import (
    MISSING,
    RULE_LABELS,
    UNBOUNDED,
    Bools,
    ClampedBatch,
    GuardrailBatch,
    Guardrails,
    Ints,
    PriceFacts,
    Rule,
    clamp_batch,
    clamp_price,
)

CASES, CHUNK, SAMPLE = 10_000_000, 250_000, 20_000
ENDINGS = ((), ("9",), ("5", "9"), ("49", "99"), ("00",), ("95", "9"))
Case = tuple[Ints, GuardrailBatch, PriceFacts]
Limits = Iterator[tuple[Fraction, Fraction]]


def random_cases(size: int, rng: np.random.Generator) -> Case:
    """Return candidates, policies and facts that conflict often; a third of all values is not there."""

    def whole(low: int, high: int, missing: float = 0.33) -> Ints:
        return np.where(rng.random(size) < missing, MISSING, rng.integers(low, high + 1, size))

    limits = GuardrailBatch(
        min_margin_bp=whole(0, 9_500),
        max_change_bp=whole(0, 5_000),
        inventory_threshold=whole(0, 60),
        floor=whole(1, 4_000, 0.7),
        ceiling=whole(1, 4_000, 0.6),
        map_price=whole(1, 4_000, 0.7),
        competitor_min_bp=whole(-5_000, 3_000),
        competitor_max_bp=whole(-3_000, 5_000),
        max_change_per_day_bp=whole(0, 5_000),
        max_changes_per_day=whole(0, 4),
        ending_set=rng.integers(0, len(ENDINGS), size),
        ending_sets=ENDINGS,
    )
    facts = PriceFacts(
        cost_units=whole(-1, 200_000, 0.02),
        current_ticks=whole(1, 4_000, 0.05),
        stock=whole(0, 100),
        competitor_ticks=whole(1, 4_000),
        day_start_ticks=whole(1, 4_000),
        changes_today=whole(0, 5),
    )
    return whole(-5, 5_000, 0.01), limits, facts


def check_cases(candidate: Ints, limits: GuardrailBatch, facts: PriceFacts) -> ClampedBatch:
    """Clamp the cases and raise AssertionError, with the first one, where a claim does not hold."""
    clamped = clamp_batch(candidate, limits, facts)
    priced = (facts.cost_units > 0) & (candidate != MISSING)
    _require((clamped.price != MISSING) == priced, "priced without a cost, or not priced with one", clamped)
    broken = priced & _breaks_a_hard_rule(np.where(priced, clamped.price, 1), limits, facts)
    _require(~broken, "breaks a hard rule", clamped)
    named, moved = clamped.rule != Rule.OWN_OPTIMUM, clamped.price != candidate
    _require(~priced | named | ~moved, "moved without a name", clamped)
    _require(~priced | ~named | moved | _there_and_back(clamped), "named without a move", clamped)
    return clamped


def _breaks_a_hard_rule(price: Ints, limits: GuardrailBatch, facts: PriceFacts) -> Bools:
    """State the hard rules anew: money in hundredths of a tick, the margin as (p − c)·10,000 ≥ margin·p."""
    amount, cost = price * 100, facts.cost_units
    margin = np.where(limits.min_margin_bp == MISSING, 0, limits.min_margin_bp)
    too_low = (amount < cost) | ((amount - cost) * 10_000 < margin * amount)
    too_low |= (price < limits.map_price) | (price < limits.floor)
    # A ceiling yields to what is stronger: above it, a price a tick lower must break one of the others.
    lower = price - 1
    needed = (lower * 100 < cost) | ((lower * 100 - cost) * 10_000 < margin * lower * 100)
    needed |= (lower < limits.map_price) | (lower < limits.floor)
    broken: Bools = too_low | ((limits.ceiling != MISSING) & (price > limits.ceiling) & ~needed)
    return broken


def _there_and_back(clamped: ClampedBatch) -> Bools:
    """Return where at least two rules moved the price."""
    moves, before = np.zeros(len(clamped.price), dtype=np.int64), clamped.candidate
    for _, after in clamped.steps:
        moves += after != before
        before = after
    return np.greater_equal(moves, 2)


def _require(holds: Bools, complaint: str, clamped: ClampedBatch) -> None:
    if not holds.all():
        raise AssertionError(f"{complaint}: {clamped.row(int(np.flatnonzero(~holds)[0]))}")


def check_sample(case: Case, clamped: ClampedBatch, rows: Ints) -> None:
    """Compare some rows with the scalar clamp and with the oracle; AssertionError where they differ."""
    candidate, limits, facts = case
    for row in rows.tolist():
        rails, known = limits.row(row), _facts_of(facts, row)
        wished = _or_none(candidate[row])
        alone = clamp_price(wished, rails, **known)
        if alone != clamped.row(row):
            raise AssertionError(f"scalar {alone}, batch {clamped.row(row)}: {wished} {rails} {known}")
        if alone.price != oracle_price(wished, rails, **known):
            raise AssertionError(f"{alone}, oracle {oracle_price(wished, rails, **known)}: {wished} {rails} {known}")


def _facts_of(facts: PriceFacts, row: int) -> dict[str, int | None]:
    names = ("cost_units", "current_ticks", "stock", "competitor_ticks", "day_start_ticks", "changes_today")
    return {name: _or_none(getattr(facts, name)[row]) for name in names}


def _or_none(value: Any) -> int | None:
    return None if value == MISSING else int(value)


def oracle_price(
    candidate: int | None, rails: Guardrails, *, cost_units: int | None, **facts: int | None
) -> int | None:
    """Return the price by fractions, one rule after the other, and a search for the ending: slow and plain."""
    if candidate is None or cost_units is None or cost_units <= 0:
        return None
    lower, upper = 0, UNBOUNDED
    for low, high in _oracle_limits(rails, Fraction(cost_units, 100), **facts):
        lower = max(lower, min(-(-low.numerator // low.denominator), upper))
        upper = min(upper, max(high.numerator // high.denominator, lower))
    inside = min(max(candidate, lower), upper)
    if not rails.price_endings:
        return inside
    for distance in range(10_000):
        for price in (inside - distance, inside + distance):
            if lower <= price <= upper and str(price).zfill(4).endswith(rails.price_endings):
                return price
        if inside - distance < lower and inside + distance > upper:
            break
    return inside


def _oracle_limits(
    rails: Guardrails,
    cost: Fraction,
    *,
    current_ticks: int | None,
    stock: int | None,
    competitor_ticks: int | None,
    day_start_ticks: int | None,
    changes_today: int | None,
) -> Limits:
    nothing, top = Fraction(0), Fraction(UNBOUNDED)
    yield cost, top
    yield cost / (1 - Fraction(rails.min_margin_bp or 0, 10_000)), top
    yield Fraction(rails.map_price or 0), top
    yield Fraction(rails.floor or 0), top
    yield nothing, Fraction(rails.ceiling or UNBOUNDED)
    most = rails.max_changes_per_day
    if current_ticks is not None and changes_today is not None and most is not None and changes_today >= most:
        yield Fraction(current_ticks), Fraction(current_ticks)
    for anchor, rate in ((current_ticks, rails.max_change_bp), (day_start_ticks, rails.max_change_per_day_bp)):
        if anchor is not None and rate is not None:
            yield Fraction(anchor * (10_000 - rate), 10_000), Fraction(anchor * (10_000 + rate), 10_000)
    if current_ticks is not None and stock is not None and stock < (rails.inventory_threshold or 0):
        yield Fraction(current_ticks), top
    if competitor_ticks is not None:
        near, far = rails.competitor_min_bp, rails.competitor_max_bp
        yield (
            nothing if near is None else Fraction(competitor_ticks * (10_000 + near), 10_000),
            top if far is None else Fraction(competitor_ticks * (10_000 + far), 10_000),
        )


def run(*, cases: int, chunk: int, sample: int, seed: int, console: Console) -> tuple[Ints, float]:
    """Check that many cases in chunks; return how many each rule decided, and the seconds that clamping took."""
    rng, decided, seconds = np.random.default_rng(seed), np.zeros(len(RULE_LABELS), dtype=np.int64), 0.0
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("cases", total=cases)
        for first in range(0, cases, chunk):
            size = min(chunk, cases - first)
            case = random_cases(size, rng)
            began = time.perf_counter()
            clamp_batch(*case)
            seconds += time.perf_counter() - began
            clamped = check_cases(*case)
            check_sample(case, clamped, rng.integers(0, size, round(sample * size / cases)))
            decided += np.bincount(clamped.rule, minlength=len(RULE_LABELS))
            progress.advance(bar, size)
    return decided, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console()
    decided, seconds = run(cases=options.cases, chunk=CHUNK, sample=options.sample, seed=options.seed, console=console)
    for label, count in sorted(zip(RULE_LABELS, decided.tolist(), strict=True), key=lambda each: -each[1]):
        console.print(f"{label:20} {count:>12,}")
    console.print(
        f"{options.cases:,} cases, none broke a hard rule, every clamp named; {options.sample:,} equal the scalar "
        f"clamp and the oracle; {options.cases / seconds / 1e6:.2f} million clamps a second "
        f"({platform.machine()}, one thread)"
    )


if __name__ == "__main__":
    main()
