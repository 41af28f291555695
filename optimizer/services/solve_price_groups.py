"""Give related listings of a run their joint prices. Only workers and commands load this file."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from catalog.guardrails import MISSING, Ints, Rule
from catalog.money import ticks_text
from catalog.selectors.price_groups import RelatedListings, related_listings
from optimizer.engine import PricingInputs
from optimizer.engine.joint import JointDecision, expectations_at, solve_related
from optimizer.group_replay import MOST_RECORDED
from optimizer.models import OptimizationRun, Recommendation
from optimizer.services.recorded_run import RecordedRun
from optimizer.services.reprice import reprice, store_repriced
from optimizer.services.run_steps import RunStep, do_once

STEP = RunStep("the related prices", done="groups_solved_at", attempts="group_attempts")


def solve_price_groups(*, run_id: uuid.UUID, now: datetime) -> bool:
    """Replace what related listings would cost alone by their joint prices, once; False where there is nothing to do.

    Works from the inputs that the chunks recorded, after all of them are done. One transaction holds the run: killed
    in between, it is as if never begun. Every beginning is counted; one begun three times fails the run.
    """
    return do_once(STEP, run_id=run_id, now=now, work=_solve_run)


def _solve_run(run: OptimizationRun) -> None:
    groups = related_listings(channel=run.channel)
    recorded = RecordedRun.read(run, only={row.pk for group in groups for row in group.listings})
    groups = recorded.complete(groups)
    if not groups:
        return
    related = recorded.related(groups)
    decision = solve_related(recorded.inputs, run.objective, alone=recorded.alone, groups=related)
    rows = Recommendation.objects.filter(run=run, listing_id__any_of=recorded.listing.tolist()).order_by("listing")
    writer = _Writer(run, list(rows), recorded.alone, decision)
    for group, skus, shortfalls in zip(groups, related, decision.shortfalls, strict=True):
        writer.explain(group, skus.rows, shortfalls)
    writer.reprice(recorded.inputs)
    store_repriced(writer.touched.values())


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
        return ticks_text(round(ticks), self.exponent)

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
            reprice(
                self.rows[row],
                rule=self.rule_of[row].label,
                ticks=int(self.decision.price[row]),
                before=int(self.alone[row]),
                expected={name: float(column[at]) for name, column in columns.items()},
                exponent=self.exponent,
            )
