"""Optimise arrays of exact prices."""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalog.guardrails import (
    COST_UNITS_PER_TICK,
    MISSING,
    UNBOUNDED,
    BandBatch,
    EndingTable,
    Ints,
    Rule,
    admissible_band,
)

from .chunks import run_in_chunks, run_side_by_side
from .demand import Demand
from .devices import ComputeDevice, resolve_device
from .fused.search import Decisions, fused_search
from .fused.source import TICKS_OUT
from .grid import Grid
from .objectives import Objective, objective_named
from .optimum import optimal_ticks
from .pricing_arrays import MISSING_COST, MISSING_PRICE, NO_DEMAND, NO_UPPER_LIMIT, PricingInputs, PricingResult
from .problem import Problem
from .uncertainty import demand_quantiles, profit_change

DEFAULT_BATCH_SIZE: Final = 65_536

DECIDED: Final = (*TICKS_OUT, "rule", "lower_rule", "upper_rule", "unpriced")
"""The columns of the result that the search writes; the others follow from the price."""


def optimize_ticks(
    inputs: PricingInputs,
    objective: str = "profit",
    *,
    device: str | ComputeDevice = "auto",
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> PricingResult:
    """Choose the best admissible price of every SKU, exactly to the minor unit.

    Use it where prices are whole minor units already (the batch run does); `GPUBatchProcessor` takes data frames.

    Args:
        inputs: (sku,) SKUs.
        objective: `profit`, `revenue`, `market_share`, or another registered one.
        device: a name for `resolve_device`, or a device that it returned.
        batch_size: SKUs on the device at a time; halved when the device runs out of memory.

    Returns:
        A row for every SKU, in order; those that cannot be priced carry the reason.

    Raises:
        ValueError: no such objective or device; the message lists those there are.
    """
    chosen = objective_named(objective)
    compute = resolve_device(device) if isinstance(device, str) else device
    table = EndingTable.build(inputs.guardrails.ending_sets)
    result = PricingResult.empty(len(inputs))

    def price_chunk(rows: slice) -> None:
        _price_rows(inputs.rows(rows), rows.start, chosen, compute, table, result)

    in_chunks = run_side_by_side if compute.search.type == "cpu" else run_in_chunks
    in_chunks(len(inputs), batch_size, price_chunk)
    return result


def _price_rows(
    inputs: PricingInputs,
    offset: int,
    objective: Objective,
    device: ComputeDevice,
    table: EndingTable,
    result: PricingResult,
) -> None:
    """Price some rows and write them into the result from `offset` on."""
    decided = _decided_by_kernel(inputs, objective, device, table)
    if decided is None:
        decided = _decided_by_arrays(inputs, objective, device, table)
    previous = np.where(inputs.current_ticks > 0, inputs.current_ticks, MISSING)
    result.previous_ticks[offset : offset + len(inputs)] = previous
    for name in DECIDED:
        getattr(result, name)[offset : offset + len(inputs)] = decided[name]
    rows = np.flatnonzero(decided["unpriced"] == 0)
    if len(rows) == 0:
        return
    priced = inputs if len(rows) == len(inputs) else inputs.rows(rows)
    price = torch.from_numpy(decided["price_ticks"][rows]).to(device.final)
    demand, cost = demand_posterior(priced, device.final), cost_ticks(priced, device.final)
    for name, column in expectations(demand, cost, price, priced.competitor_ticks).items():
        getattr(result, name)[rows + offset] = column


def _decided_by_kernel(
    inputs: PricingInputs, objective: Objective, device: ComputeDevice, table: EndingTable
) -> Decisions | None:
    """Let the device's kernel decide, and the arrays where it left a SKU to them; None where there is no kernel."""
    search = fused_search(device, objective.name)
    if search is None:
        return None

    def by_arrays(some: PricingInputs) -> Decisions:
        return _decided_by_arrays(some, objective, device, table)

    if not search.is_trusted(inputs, objective.name, table, by_arrays):
        return None
    decided = search.decide(inputs, objective.name, table)
    left = np.flatnonzero(decided["is_left"])
    if len(left):
        for name, column in by_arrays(inputs.rows(left)).items():
            decided[name][left] = column
    return decided


def _decided_by_arrays(
    inputs: PricingInputs, objective: Objective, device: ComputeDevice, table: EndingTable
) -> Decisions:
    """Choose the best admissible price of every SKU, and what limits it: the columns of `DECIDED`."""
    band = admissible_band(inputs.guardrails, inputs.facts())
    unpriced = _unpriced_codes(inputs, band)
    is_priced = unpriced == 0
    decided: Decisions = {
        "price_ticks": np.full(len(inputs), MISSING, dtype=np.int64),
        "candidate_ticks": np.full(len(inputs), MISSING, dtype=np.int64),
        "lower_ticks": np.where(is_priced, band.lower, MISSING),
        "upper_ticks": np.where(is_priced, band.upper, MISSING),
        "rule": np.full(len(inputs), Rule.UNPRICED, dtype=np.int8),
        "lower_rule": np.where(is_priced, band.lower_rule, np.int8(Rule.UNPRICED)),
        "upper_rule": np.where(is_priced, band.upper_rule, np.int8(Rule.UNPRICED)),
        "unpriced": unpriced,
    }
    rows = np.flatnonzero(is_priced)
    if len(rows):
        priced, band = (inputs, band) if len(rows) == len(inputs) else (inputs.rows(rows), _band_rows(band, rows))
        problem = pricing_problem(priced, band, table, device.final)
        optimum = optimal_ticks(problem, objective, _first_guess(problem, objective, device))
        decided["price_ticks"][rows] = optimum.price.cpu().numpy()
        decided["candidate_ticks"][rows] = optimum.unlimited.cpu().numpy()
        decided["rule"][rows] = optimum.rule.cpu().numpy()
    return decided


def _unpriced_codes(inputs: PricingInputs, band: BandBatch) -> NDArray[np.int8]:
    """Return the reason why each SKU cannot be priced; of several, the first in the list of reasons."""
    codes = np.zeros(len(inputs), dtype=np.int8)
    codes[band.upper == UNBOUNDED] = NO_UPPER_LIMIT
    codes[inputs.demand == 0] = NO_DEMAND
    codes[inputs.current_ticks <= 0] = MISSING_PRICE
    codes[~band.priced] = MISSING_COST
    return codes


def _band_rows(band: BandBatch, rows: Ints) -> BandBatch:
    return BandBatch(
        band.lower[rows], band.upper[rows], band.lower_rule[rows], band.upper_rule[rows], band.priced[rows]
    )


def pricing_problem(inputs: PricingInputs, band: BandBatch, table: EndingTable, device: torch.device) -> Problem:
    return Problem(
        demand=demand_posterior(inputs, device),
        cost=cost_ticks(inputs, device),
        current=torch.tensor(inputs.current_ticks, device=device),
        grid=Grid.build(band, inputs.guardrails.ending_set, table, device),
    )


def cost_ticks(inputs: PricingInputs, device: torch.device) -> Tensor:
    """Put the costs of (sku,) SKUs on a device, float64 ticks."""
    return torch.tensor(inputs.cost_units, dtype=torch.float64, device=device) / COST_UNITS_PER_TICK


def demand_posterior(inputs: PricingInputs, device: torch.device) -> Demand:
    """Put the demand of (sku,) SKUs on a device; stock that is not known is without limit."""

    def real(values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)

    assert inputs.inventory is not None
    stock = np.where(inputs.inventory == MISSING, np.inf, np.maximum(inputs.inventory, 0))
    return Demand(
        reference=real(inputs.current_ticks),
        demand=real(inputs.demand),
        elasticity_mean=real(inputs.elasticity_mean),
        elasticity_sd=real(inputs.elasticity_sd),
        log_demand_sd=real(inputs.log_demand_sd),
        stock=real(stock),
    )


def _first_guess(problem: Problem, objective: Objective, device: ComputeDevice) -> Tensor | None:
    """Search in lower precision where the device has no float64; the float64 search then starts from there."""
    if device.is_exact:
        return None
    there, dtype = device.search, device.search_dtype
    maxima = objective.interior_maxima(
        problem.demand.to(there, dtype),
        problem.cost.to(there, dtype),
        problem.grid.lower.to(there, dtype),
        problem.grid.upper.to(there, dtype),
        None,
    )
    return maxima.to(device.final, torch.float64)


def expectations(
    demand: Demand, cost: Tensor, price_ticks: Tensor, competitor_ticks: Ints | None
) -> dict[str, NDArray[Any]]:
    """Return the columns of the result that say what (sku,) prices are expected to bring."""
    price = price_ticks.double()
    log_ratio = demand.log_ratio(price)
    units, previous_units = demand.expected_sales(log_ratio), demand.expected_sales(torch.zeros_like(log_ratio))
    quantiles = demand_quantiles(demand, log_ratio)
    change = profit_change(demand, price, cost)
    margin = price - cost
    profit, previous_profit = margin * units, (demand.reference - cost) * previous_units
    columns = {
        "expected_demand": units,
        "demand_low": quantiles.low,
        "demand_high": quantiles.high,
        "expected_revenue": price * units,
        "revenue_low": price * quantiles.low,
        "revenue_high": price * quantiles.high,
        "expected_profit": profit,
        "profit_low": margin * quantiles.low,
        "profit_high": margin * quantiles.high,
        "previous_demand": previous_units,
        "previous_profit": previous_profit,
        "profit_change_mean": profit - previous_profit,
        "profit_change_sd": change.sd,
        "probability_better": change.probability_better,
        "expected_share": _share(demand, units, competitor_ticks),
    }
    return {name: column.cpu().numpy() for name, column in columns.items()}


def _share(demand: Demand, units: Tensor, competitor_ticks: Ints | None) -> Tensor:
    """Return own/(own + rival) units, where the rival sells what our demand curve gives at its price."""
    assert competitor_ticks is not None
    has_rival = torch.from_numpy(np.greater(competitor_ticks, 0)).to(units.device)
    rival = torch.from_numpy(np.maximum(competitor_ticks, 1)).to(units)
    sales = demand.expected_demand(demand.log_ratio(rival))
    return torch.where(has_rival, units / (units + sales), torch.nan)
