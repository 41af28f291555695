"""Joint prices of 10,000 categories × 20 substitutes, beside scipy's L-BFGS-B on a sample of the categories.

Both maximise the profit of a multinomial logit with prices within ±30 % of today's; ours over 121 prices a product,
scipy over all, so ours may earn less by what the steps between prices cost, and must not earn less than that.
Run: ``.venv/bin/python -m benchmarks.substitutes``
"""

import platform
import statistics
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from optimizer.engine.substitution import NestedLogit, price_substitutes

CATEGORIES, PRODUCTS, OPTIONS, SAMPLE, ROUNDS = 10_000, 20, 121, 40, 3
WIDTH = 0.3


def simulated(seed: int) -> tuple[NestedLogit, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    count = CATEGORIES * PRODUCTS
    price = rng.integers(2_000, 9_000, count)
    demand = NestedLogit.calibrate(
        price=price,
        units=np.exp(rng.normal(3, 0.7, count)),
        elasticity=rng.uniform(-4, -1.4, count),
        category=np.repeat(np.arange(CATEGORIES), PRODUCTS),
        outside_share=0.5,
    )
    return demand, price, price * rng.uniform(0.4, 0.7, count)


def by_scipy(demand: NestedLogit, price: np.ndarray, cost: np.ndarray, category: int) -> float:
    rows = slice(category * PRODUCTS, (category + 1) * PRODUCTS)
    taste, beta, charged = demand.taste[rows], demand.sensitivity[rows], cost[rows]

    def loss(ratio: np.ndarray) -> float:
        at = ratio * price[rows]
        weight = np.exp(taste - beta * at)
        return -float((weight * (at - charged)).sum() / (1 + weight.sum()) * demand.shoppers[category])

    found = minimize(loss, np.ones(PRODUCTS), bounds=[(1 - WIDTH, 1 + WIDTH)] * PRODUCTS, method="L-BFGS-B")
    return -float(found.fun)


def main() -> None:
    console = Console()
    demand, price, cost = simulated(seed=1)
    options = np.rint(price[:, None] * np.linspace(1 - WIDTH, 1 + WIDTH, OPTIONS)).astype(np.int64)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = price_substitutes(demand, options=options, cost=cost, today=price, device="cpu")
        times.append((time.perf_counter() - began) / CATEGORIES)
    began = time.perf_counter()
    best = np.array([by_scipy(demand, price, cost, category) for category in range(SAMPLE)])
    peer = (time.perf_counter() - began) / SAMPLE
    short = 1 - found.profit[:SAMPLE] / best
    assert (short < 1e-4).all(), f"a category earns {short.max():.1e} less than scipy's prices"
    assert (short > -1e-4).all(), f"scipy stopped {-short.min():.1e} short: no peer"
    ours = statistics.median(times)
    table = Table("", "a category", f"{CATEGORIES:,} categories", title=f"{platform.machine()}, medians of {ROUNDS}")
    table.add_row("ours", f"{ours * 1e6:.0f} µs", f"{ours * CATEGORIES:.1f} s")
    table.add_row("scipy, L-BFGS-B", f"{peer * 1e3:.1f} ms", f"{peer * CATEGORIES:.0f} s")
    console.print(table)
    gain = found.profit.sum() / found.profit_alone.sum() - 1
    console.print(f"ratio {peer / ours:,.0f}; {found.rounds} rounds; {gain:.1%} more profit than each product alone")


if __name__ == "__main__":
    main()
