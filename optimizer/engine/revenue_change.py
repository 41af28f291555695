"""How sure the change of revenue is."""

import numpy as np
import torch

from catalog.guardrails import MISSING, Ints

from .devices import ComputeDevice
from .pricing_arrays import Floats, PricingInputs
from .ticks import demand_posterior
from .uncertainty import profit_change


def revenue_change_sd(inputs: PricingInputs, price_ticks: Ints, device: ComputeDevice) -> Floats:
    """Compute the posterior standard deviation of the revenue at new prices minus that at the prices in force.

    The change is p·min(Q0·exp(e·x), I) − p0·min(Q0, I): the profit change of `profit_change` at a cost of 0.

    Args:
        inputs: (sku,) SKUs.
        price_ticks: (sku,) int64, the new prices; `MISSING` where there is none.
        device: where to compute.

    Returns:
        (sku,) float64 ticks; NaN where there is no new price.
    """
    spread = np.full(len(inputs), np.nan)
    rows = np.flatnonzero(price_ticks != MISSING)
    if len(rows):
        demand = demand_posterior(inputs.rows(rows), device.final)
        price = torch.tensor(price_ticks[rows], dtype=torch.float64, device=device.final)
        spread[rows] = profit_change(demand, price, torch.zeros_like(price)).sd.cpu().numpy()
    return spread
