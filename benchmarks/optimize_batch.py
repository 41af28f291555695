"""Price a million SKUs exactly, beside a bounded search with scipy for each SKU.

Both maximise expected profit under the same limits: minimum margin 15 %, change at most 20 %. Ours chooses whole
pennies, scipy any price, so ours may earn less by what rounding costs and never less than scipy's price rounded into
the limits. Run: ``.venv/bin/python -m benchmarks.optimize_batch``
"""

import platform
import statistics
import time

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize_scalar

from catalog.guardrails import GuardrailBatch, Guardrails
from optimizer.engine import PricingInputs, optimize_ticks

SKUS, SAMPLE, ROUNDS = 1_000_000, 2_000, 5


def simulated(size: int, seed: int) -> PricingInputs:
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(5.7, 0.9, size)).clip(20, 50_000).astype(np.int64)
    return PricingInputs(
        current_ticks=price,
        cost_units=(price * rng.uniform(40, 70, size)).astype(np.int64),
        demand=np.exp(rng.normal(3, 1, size)),
        elasticity_mean=rng.normal(-1.7, 0.6, size).clip(-5, -0.2),
        elasticity_sd=rng.uniform(0.1, 0.5, size),
        guardrails=GuardrailBatch.uniform(Guardrails(), size),
    )


def profit(inputs: PricingInputs, row: int, price: float) -> float:
    """Expected profit of one SKU at one price, in minor units."""
    x = np.log(price / inputs.current_ticks[row])
    exponent = inputs.elasticity_mean[row] * x + inputs.elasticity_sd[row] ** 2 * x * x / 2
    return float((price - inputs.cost_units[row] / 100) * inputs.demand[row] * np.exp(exponent))


def scipy_price(inputs: PricingInputs, row: int) -> tuple[float, float, float]:
    """Return the best price of one SKU and its limits."""
    current, cost = float(inputs.current_ticks[row]), inputs.cost_units[row] / 100
    low = max(np.ceil(cost / 0.85 - 1e-9), np.ceil(current * 0.8 - 1e-9))
    high = max(np.floor(current * 1.2 + 1e-9), low)
    if low == high:
        return low, low, high
    found = minimize_scalar(lambda price: -profit(inputs, row, price), bounds=(low, high), method="bounded")
    return float(found.x), low, high


def main() -> None:
    console = Console()
    inputs = simulated(SKUS, seed=1)
    sample = inputs.rows(slice(0, SAMPLE))
    ours, peer = [], []
    for _ in track(range(ROUNDS), "rounds", console=console):
        began = time.perf_counter()
        result = optimize_ticks(inputs)
        ours.append((time.perf_counter() - began) / SKUS)
        began = time.perf_counter()
        found = [scipy_price(sample, row) for row in range(SAMPLE)]
        peer.append((time.perf_counter() - began) / SAMPLE)
    for row, (price, low, high) in enumerate(found):
        chosen = profit(sample, row, float(result.price_ticks[row]))
        rounded = max(profit(sample, row, float(np.clip(end, low, high))) for end in (np.floor(price), np.ceil(price)))
        assert low <= result.price_ticks[row] <= high, f"row {row} is outside its limits"
        assert chosen >= rounded - 1e-9 * abs(rounded), f"row {row}: {chosen} is less than scipy's {rounded}"
    table = Table("", "per SKU", "1,000,000 SKUs", title=f"{platform.machine()}, {platform.python_version()}")
    for name, times in (("ours", ours), ("scipy, a bounded search a SKU", peer)):
        median = statistics.median(times)
        table.add_row(name, f"{median * 1e6:.2f} µs", f"{median * SKUS:,.1f} s")
    console.print(table)
    console.print(f"ratio {statistics.median(peer) / statistics.median(ours):,.0f}, medians of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
