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
    admissible_band,
)

from .chunks import run_in_chunks, run_side_by_side
from .demand import Demand
from .devices import ComputeDevice, resolve_device
from .grid import Grid
from .objectives import Objective, objective_named
from .optimum import Optimum, optimal_ticks
from .pricing_arrays import MISSING_COST, MISSING_PRICE, NO_DEMAND, NO_UPPER_LIMIT, PricingInputs, PricingResult
from .problem import Problem
from .uncertainty import demand_quantiles, profit_change

DEFAULT_BATCH_SIZE: Final = 65_536


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
    band = admissible_band(inputs.guardrails, inputs.facts())
    unpriced = _unpriced_codes(inputs, band)
    result.unpriced[offset : offset + len(inputs)] = unpriced
    result.previous_ticks[offset : offset + len(inputs)] = np.where(
        inputs.current_ticks > 0, inputs.current_ticks, MISSING
    )
    rows = np.flatnonzero(unpriced == 0)
    if len(rows) == 0:
        return
    priced, band = (inputs, band) if len(rows) == len(inputs) else (inputs.rows(rows), _band_rows(band, rows))
    problem = pricing_problem(priced, band, table, device.final)
    optimum = optimal_ticks(problem, objective, _first_guess(problem, objective, device))
    columns = expectations(problem, optimum, priced.competitor_ticks)
    columns |= {"lower_ticks": band.lower, "upper_ticks": band.upper}
    columns |= {"lower_rule": band.lower_rule, "upper_rule": band.upper_rule}
    for name, column in columns.items():
        getattr(result, name)[rows + offset] = column


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
        cost=torch.tensor(inputs.cost_units, dtype=torch.float64, device=device) / COST_UNITS_PER_TICK,
        current=torch.tensor(inputs.current_ticks, device=device),
        grid=Grid.build(band, inputs.guardrails.ending_set, table, device),
    )


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


def expectations(problem: Problem, optimum: Optimum, competitor_ticks: Ints | None) -> dict[str, NDArray[Any]]:
    """Return the columns of the result that describe the chosen prices."""
    demand, cost, price = problem.demand, problem.cost, optimum.price.double()
    log_ratio = demand.log_ratio(price)
    units, previous_units = demand.expected_sales(log_ratio), demand.expected_sales(torch.zeros_like(log_ratio))
    quantiles = demand_quantiles(demand, log_ratio)
    change = profit_change(demand, price, cost)
    margin = price - cost
    profit, previous_profit = margin * units, (demand.reference - cost) * previous_units
    columns = {
        "price_ticks": optimum.price,
        "candidate_ticks": optimum.unlimited,
        "rule": optimum.rule.to(torch.int8),
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
