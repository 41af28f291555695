"""A million SKUs × 21 prices under three coupling limits, and HiGHS on the same problem with 2,000 and 10,000 SKUs.

The limits: revenue at least 3 % above today's, at most 30 % of the prices change, average price no more than that of
competitors. HiGHS solves the linear relaxation, whose optimum no choice of one price a SKU exceeds; ours is such a
choice, so it must lie below it by no more than its own gap, and our bound must equal it.
Run: ``.venv/bin/python -m benchmarks.portfolio``; on a GPU ``--device cuda``, in float64.
"""

import argparse
import platform
import resource
import statistics
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, kron

from optimizer.engine import resolve_device
from optimizer.engine.portfolio import Coupling, Portfolio, PortfolioResult, optimize_portfolio

OPTIONS, ROUNDS = 21, 5
LARGE, SMALL, GROUPED = 1_000_000, (2_000, 10_000), (200_000, 1_000)
GAP, SECONDS, GIB = 1e-4, 10.0, 6.0


def simulated(size: int, seed: int = 1, categories: int = 1) -> Portfolio:
    rng = np.random.default_rng(seed)
    today, ratio = OPTIONS // 2, np.linspace(0.8, 1.2, OPTIONS)
    price = np.exp(rng.normal(3, 1, size))
    cost, elasticity = price * rng.uniform(0.4, 0.8, size), rng.normal(-2, 0.7, size).clip(-5, -0.3)
    units = np.exp(rng.normal(2, 1.2, size))[:, None] * ratio ** elasticity[:, None]
    revenue = units * price[:, None] * ratio
    changed = np.ones((size, OPTIONS))
    changed[:, today] = 0
    group = rng.integers(0, categories, size)
    members = np.bincount(group, minlength=categories)
    index = ratio / np.exp(rng.normal(0, 0.1, size))[:, None] / members[group][:, None]
    most = np.ones(1) if categories == 1 else np.bincount(group, index[:, today]) * 1.01
    return Portfolio(
        value=revenue - cost[:, None] * units,
        couplings=[
            Coupling(name="revenue", usage=-revenue, limit=np.array([-1.03 * revenue[:, today].sum()])),
            Coupling(name="changes", usage=changed, limit=np.array([0.3 * size])),
            Coupling(name="index", usage=index, limit=most, group=None if categories == 1 else group),
        ],
    )


def by_highs(portfolio: Portfolio, method: str) -> float:
    """Return the optimum of the linear relaxation."""
    size = len(portfolio)
    once = kron(eye_array(size), np.ones((1, OPTIONS)), format="csr")
    limits = csr_array(np.stack([each.usage.reshape(-1) for each in portfolio.couplings]))
    most = np.concatenate([each.limit for each in portfolio.couplings])
    costs = -portfolio.value.reshape(-1)
    found = linprog(costs, A_ub=limits, b_ub=most, A_eq=once, b_eq=np.ones(size), bounds=(0, 1), method=method)
    assert found.x is not None, found.message
    return -float(found.fun)


def timed(portfolio: Portfolio, device: str) -> tuple[PortfolioResult, float]:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        result = optimize_portfolio(portfolio, device=device)
        times.append(time.perf_counter() - began)
    return result, statistics.median(times)


def checked(portfolio: Portfolio, result: PortfolioResult) -> None:
    for coupling, used in zip(portfolio.couplings, portfolio.usage_of(result.option), strict=True):
        assert (used <= coupling.limit + 1e-9 * np.abs(coupling.limit)).all(), f"{coupling.name} is not kept"
    assert result.gap <= GAP, f"gap {result.gap:.2e} is above {GAP}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peers", default="highs-ds,highs-ipm", help="methods of scipy.optimize.linprog; '' for none")
    asked = parser.parse_args()
    console, device = Console(), str(resolve_device(asked.device).final)
    title = f"{platform.machine()}, {platform.python_version()}, {device}, medians of {ROUNDS}"
    table = Table("SKUs × prices, limits", "ours", "gap", "steps", "HiGHS", "ratio", title=title)
    for size in SMALL:
        portfolio = simulated(size)
        result, took = timed(portfolio, device)
        checked(portfolio, result)
        peers = []
        for method in filter(None, asked.peers.split(",")):
            began = time.perf_counter()
            best = by_highs(portfolio, method)
            peers.append((time.perf_counter() - began, method))
            assert abs(result.bound - best) <= 1e-7 * best, f"{method}: {best}, our bound {result.bound}"
            assert best * (1 - GAP) <= result.value <= best * (1 + 1e-9), f"{method}: {best}, ours {result.value}"
        fastest = min(peers, default=(float("nan"), "-"))
        peer = ", ".join(f"{method} {seconds:.2f} s" for seconds, method in peers)
        row = f"{size:,} × {OPTIONS}, 3"
        table.add_row(
            row, f"{took * 1e3:.0f} ms", f"{result.gap:.1e}", str(result.steps), peer, f"{fastest[0] / took:,.0f}"
        )
    for size, categories in ((LARGE, 1), GROUPED):
        portfolio = simulated(size, categories=categories)
        result, took = timed(portfolio, device)
        checked(portfolio, result)
        limits = 3 if categories == 1 else 2 + categories
        table.add_row(
            f"{size:,} × {OPTIONS}, {limits:,}", f"{took:.2f} s", f"{result.gap:.1e}", str(result.steps), "-", "-"
        )
        if categories == 1:
            assert took <= SECONDS, f"{took:.1f} s is above {SECONDS}"
    console.print(table)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"memory of the process at most {used:.1f} GiB")
    assert used < GIB, f"{used:.1f} GiB is above {GIB}"


if __name__ == "__main__":
    main()
