"""Price 100,000 ladders of three at once, beside scipy's MILP solver (HiGHS) on a sample of them.

Both choose one of 64 candidate prices a member with the highest sum of scores: size ladders (no larger pack is dearer
per unit, none is cheaper in total) and quality ladders (each costs at least a step more than the one before). The
sums must be the same. Run: ``.venv/bin/python -m benchmarks.price_groups``
"""

import platform
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer.engine.price_groups import Ladder, QualityLadder, SizeLadder, solve_ladders

GROUPS, MEMBERS, CANDIDATES, SAMPLE = 100_000, 3, 64, 40
STEP_TICKS = 20


def simulated(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return candidates within ±20 % of today's prices, expected profits there, and pack sizes."""
    rng = np.random.default_rng(seed)
    size = np.cumsum(rng.integers(1, 4, (groups, MEMBERS)), axis=1)
    noise = rng.normal(0, 0.15, (groups, MEMBERS))
    current = np.exp(rng.normal(6, 0.5, (groups, 1)) + noise) * size**0.85
    ticks = np.rint(current[..., None] * np.linspace(0.8, 1.2, CANDIDATES)).astype(np.int64)
    elasticity = rng.normal(-2, 0.4, (groups, MEMBERS, 1))
    cost = current[..., None] * rng.uniform(0.4, 0.7, (groups, MEMBERS, 1))
    units = 20 * (ticks / current[..., None]) ** elasticity
    return ticks, (ticks - cost) * units, size


def by_milp(ticks: np.ndarray, score: np.ndarray, size: np.ndarray | None) -> float | None:
    """Return the highest sum of scores of one group; None where no candidates keep the ladder."""
    members, width = ticks.shape
    choose = np.kron(np.eye(members), np.ones(width))
    rows, lows = [], []
    for pair in range(members - 1):
        lower, upper = np.zeros(members * width), np.zeros(members * width)
        lower[pair * width : (pair + 1) * width] = ticks[pair]
        upper[(pair + 1) * width : (pair + 2) * width] = ticks[pair + 1]
        rows += [upper - lower] if size is None else [upper - lower, size[pair + 1] * lower - size[pair] * upper]
        lows += [STEP_TICKS] if size is None else [0, 0]
    found = milp(
        -score.flatten(),
        constraints=[LinearConstraint(choose, 1, 1), LinearConstraint(np.array(rows), lows, np.inf)],
        integrality=np.ones(members * width),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    return None if found.x is None else float(score.flatten() @ np.rint(found.x))


def main() -> None:
    console = Console()
    ticks, score, size = simulated(GROUPS, seed=1)
    steps = torch.full((GROUPS, MEMBERS - 1), STEP_TICKS)
    ladders: dict[str, Ladder] = {
        "size ladders": SizeLadder(torch.from_numpy(size)),
        "quality ladders": QualityLadder(steps, torch.zeros_like(steps)),
    }
    title = f"{platform.machine()}, {platform.python_version()}, {torch.get_num_threads()} threads"
    table = Table("", "ours, a group", f"{GROUPS:,} groups", "milp, a group", "ratio", title=title)
    for name, ladder in ladders.items():
        began = time.perf_counter()
        found = solve_ladders(ticks, score, ladder)
        took = time.perf_counter() - began
        began = time.perf_counter()
        sizes = size if name == "size ladders" else [None] * SAMPLE
        best = [by_milp(ticks[row], score[row], sizes[row]) for row in range(SAMPLE)]
        milp_took = (time.perf_counter() - began) / SAMPLE
        kept = found.shortfall.sum(axis=1) == 0
        assert [each is not None for each in best] == kept[:SAMPLE].tolist(), (
            f"{name}: not the same ladders can be kept"
        )
        for row, each in enumerate(best):
            assert each is None or abs(each - found.score[row]) <= 1e-7 * abs(each), f"{name}, group {row}"
        ratio = milp_took / (took / GROUPS)
        table.add_row(
            name, f"{took / GROUPS * 1e6:.1f} µs", f"{took:.2f} s", f"{milp_took * 1e3:.1f} ms", f"{ratio:,.0f}"
        )
        console.print(f"{name}: {kept.mean():.1%} of the ladders can be kept within their candidates")
    console.print(table)


if __name__ == "__main__":
    main()
