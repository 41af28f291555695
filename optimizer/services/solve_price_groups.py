"""Give related listings of a run their joint prices. Only workers and commands load this file."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails, Ints, Rule, int_column
from catalog.models import Listing
from catalog.models.listing import HELD_SOURCES
from catalog.money import amount_text, from_ticks
from catalog.selectors.price_groups import RelatedListings, related_listings
from optimizer.engine import PricingInputs
from optimizer.engine.joint import JointDecision, RelatedSkus, expectations_at, solve_related
from optimizer.group_replay import MOST_RECORDED
from optimizer.models import OptimizationRun, Recommendation
from optimizer.services.close_run import fail_run
from optimizer.services.optimize_chunk import MAX_ATTEMPTS

WRITTEN_AT_ONCE = 2_000
MONEY_COLUMNS = {
    "expected_revenue": "expected_revenue",
    "expected_profit": "expected_profit",
    "profit_p05": "profit_low",
    "profit_p95": "profit_high",
    "profit_change_mean": "profit_change_mean",
    "profit_change_sd": "profit_change_sd",
}
WRITTEN = ["price", "binding_rule", "explanation", "expected_demand", "probability_better", *MONEY_COLUMNS]


def solve_price_groups(*, run_id: uuid.UUID, now: datetime) -> bool:
    """Replace what related listings would cost alone by their joint prices, once; False where there is nothing to do.

    Works from the inputs that the chunks recorded, after all of them are done. One transaction holds the run: killed
    in between, it is as if never begun. Every beginning is counted; one begun three times fails the run.
    """
    attempts = _begin(run_id)
    if attempts is None:
        return False
    if attempts > MAX_ATTEMPTS:
        fail_run(run_id=run_id, error=f"the related prices were begun {MAX_ATTEMPTS} times in vain", now=now)
        return False
    return _solve_run(run_id, now)


@transaction.atomic
def _begin(run_id: uuid.UUID) -> int | None:
    run = _waiting(run_id)
    if run is None:
        return None
    run.group_attempts += 1
    run.save(update_fields=["group_attempts"])
    return run.group_attempts


def _waiting(run_id: uuid.UUID) -> OptimizationRun | None:
    """Return the run, locked, if its chunks are done and its related prices are not."""
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    done = run.is_finished or run.groups_solved_at is not None or run.chunks.filter(finished_at=None).exists()
    return None if done else run


@transaction.atomic
def _solve_run(run_id: uuid.UUID, now: datetime) -> bool:
    run = _waiting(run_id)
    if run is None:
        return False
    groups = related_listings(channel=run.channel)
    listings = {row.pk: row for group in groups for row in group.listings}
    found = Recommendation.objects.filter(run=run, listing__in=listings)
    rows = [row for row in found.order_by("listing") if row.explanation.get("replay")]
    place = {row.listing_id: index for index, row in enumerate(rows)}
    groups = [group for group in groups if all(row.pk in place for row in group.listings)]
    if groups:
        _solve(run, groups, rows, place, listings)
    run.groups_solved_at = now
    run.save(update_fields=["groups_solved_at"])
    return True


def _solve(
    run: OptimizationRun,
    groups: Sequence[RelatedListings],
    rows: Sequence[Recommendation],
    place: Mapping[int, int],
    listings: Mapping[int, Listing],
) -> None:
    inputs = _inputs(rows)
    alone = int_column(
        [None if _is_held(listings[row.listing_id]) else row.explanation["replay"]["price_ticks"] for row in rows]
    )
    related = [
        RelatedSkus(rule=group.rule, rows=[place[row.pk] for row in group.listings], places=group.places)
        for group in groups
    ]
    decision = solve_related(inputs, run.objective, alone=alone, groups=related)
    writer = _Writer(run, rows, alone, decision)
    for index, group in enumerate(groups):
        writer.explain(group, related[index].rows, decision.shortfalls[index])
    writer.reprice(inputs)
    Recommendation.objects.bulk_create(
        list(writer.touched.values()),
        batch_size=WRITTEN_AT_ONCE,
        update_conflicts=True,
        unique_fields=["run", "listing"],
        update_fields=WRITTEN,
    )


def _is_held(listing: Listing) -> bool:
    """Tell whether the gate would refuse an automatic price: the others are then solved around the one in force."""
    return listing.price_source in HELD_SOURCES or listing.markdown_until is not None


def _inputs(rows: Sequence[Recommendation]) -> PricingInputs:
    """Return the engine's inputs as the chunks recorded them."""
    recorded = [row.explanation["replay"] for row in rows]

    def whole(name: str) -> Ints:
        return int_column([each.get(name) for each in recorded])  # older explanations lack the limits of a day

    def real(name: str) -> Any:
        return np.array([each[name] for each in recorded], dtype=np.float64)

    return PricingInputs(
        current_ticks=whole("current_price_ticks"),
        cost_units=whole("cost_units"),
        demand=real("demand"),
        elasticity_mean=real("elasticity_mean"),
        elasticity_sd=real("elasticity_sd"),
        log_demand_sd=real("log_demand_sd"),
        inventory=whole("inventory"),
        competitor_ticks=whole("competitor_price_ticks"),
        day_start_ticks=whole("day_start_ticks"),
        changes_today=whole("changes_today"),
        guardrails=GuardrailBatch.from_rows([Guardrails.from_dict(each["guardrails"]) for each in recorded]),
    )


class _Writer:
    """Write the decision into the recommendations of one run."""

    def __init__(
        self, run: OptimizationRun, rows: Sequence[Recommendation], alone: Ints, decision: JointDecision
    ) -> None:
        self.exponent = run.channel.currency_exponent
        self.rows, self.alone, self.decision = rows, alone, decision
        self.rule_of: dict[int, Rule] = {}
        self.touched: dict[int, Recommendation] = {}

    def amount(self, ticks: float) -> str:
        return amount_text(from_ticks(round(ticks), self.exponent), self.exponent)

    def explain(self, group: RelatedListings, rows: Sequence[int], shortfalls: Sequence[int]) -> None:
        """Tell every member of a group who its relatives are, and what each would cost alone."""
        members = [
            {
                "sku": listing.product.sku,
                "price": self.amount(self.decision.price[row]),
                "alone": None if self.alone[row] == MISSING else self.amount(self.alone[row]),
            }
            for listing, row in zip(group.listings, rows, strict=True)
        ]
        recorded = self._recorded(group, rows)
        for index, row in enumerate(rows):
            if self.alone[row] == MISSING or row in self.rule_of:
                continue  # held, or a group before this one decided: this one only kept the price
            self.rule_of[row] = group.rule
            explanation = self.rows[row].explanation
            yielded = self.decision.yielded.get(row)
            explanation["group"] = {
                "kind": group.group.kind,
                "name": group.group.name,
                "members": members,
                "alone": members[index]["alone"],
                "missed_by": [self.amount(each) for each in shortfalls],
                "yielded": yielded.label if yielded else None,
            }
            explanation["replay"]["group"] = recorded | {"member": index}
            self.touched[row] = self.rows[row]

    def _recorded(self, group: RelatedListings, rows: Sequence[int]) -> dict[str, Any]:
        """Return what a replay needs of the members: nothing of a large group, whose inputs would fill the ledger."""
        recorded: dict[str, Any] = {"kind": group.group.kind, "size": len(rows)}
        if len(rows) > MOST_RECORDED:
            return recorded
        members = []
        for row, place in zip(rows, group.places, strict=True):
            inputs = {name: value for name, value in self.rows[row].explanation["replay"].items() if name != "group"}
            decided = {"price_ticks": int(self.decision.price[row])}
            held = bool(self.alone[row] == MISSING or row in self.rule_of)
            step = {"size": place.size, "step_ticks": place.step_ticks, "step_bp": place.step_bp}
            members.append(inputs | decided | step | {"held": held})
        return recorded | {"members": members}

    def reprice(self, inputs: PricingInputs) -> None:
        """Give those whose joint price is another one that price, with what is expected of it."""
        moved = [row for row in self.touched if self.decision.price[row] != self.alone[row]]
        if not moved:
            return
        index = np.array(moved, dtype=np.int64)
        columns = expectations_at(inputs.rows(index), self.decision.price[index])
        for at, row in enumerate(moved):
            self._reprice(row, {name: float(column[at]) for name, column in columns.items()})

    def _reprice(self, row: int, expected: Mapping[str, float]) -> None:
        recommendation, rule, ticks = self.rows[row], self.rule_of[row].label, int(self.decision.price[row])
        recommendation.price, recommendation.binding_rule = from_ticks(ticks, self.exponent), rule
        recommendation.expected_demand = expected["expected_demand"]
        recommendation.probability_better = expected["probability_better"]
        for name, column in MONEY_COLUMNS.items():
            setattr(recommendation, name, expected[column] * 10.0**-self.exponent)
        explanation = recommendation.explanation
        step = {"rule": rule, "before": self.amount(self.alone[row]), "after": self.amount(ticks)}
        explanation["clamps"] = [*explanation["clamps"], step]
        explanation["replay"]["price_ticks"] = ticks
        explanation["expected"] = {
            "demand": expected["expected_demand"],
            "revenue": self.amount(expected["expected_revenue"]),
            "profit": self.amount(expected["expected_profit"]),
            "profit_90_percent": [self.amount(expected["profit_low"]), self.amount(expected["profit_high"])],
            "profit_change": self.amount(expected["profit_change_mean"]),
            "probability_better": expected["probability_better"],
        }
