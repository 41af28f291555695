"""Regret of price bandits against the best price of every context, ours and peers side by side.

100,000 rounds over 100 contexts × 11 prices in batches of 200, which see the same posterior. Regret is the expected
reward given up, in % of the oracle's. No policy is told the world, nor how many rounds there will be. Every finished
run is a line of ``--out``, and a run that is there is not run again: several processes may share the work by
``--seeds``, and an interrupted one goes on.

Peers: ``python -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/peers/bandit.txt``, then
``OMP_NUM_THREADS=1 .venv-peers/bin/python -m benchmarks.bandit_regret --seeds 0-9``.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.bandit_peers import Player, players
from benchmarks.bandit_worlds import CONTEXTS, PRICES, WORLDS, delays

BATCH = 200
KINDS = ("ride", "shop")


def regret(player: Player, world: str, kind: str, seed: int, rounds: int, tick: Any = lambda: None) -> float:
    """Play one world and return the regret in % of the oracle's reward. The world depends on the seed alone."""
    rng = np.random.default_rng([seed, 1])
    rates_at = WORLDS[world](kind, rng, rounds)
    earned = best = 0.0
    waiting: dict[int, list[tuple[np.ndarray, ...]]] = defaultdict(list)
    for at in range(0, rounds, BATCH):
        if arrived := waiting.pop(at // BATCH, None):
            player.learn(*(np.concatenate(parts) for parts in zip(*arrived, strict=True)))
        contexts = rng.integers(0, CONTEXTS, BATCH)
        luck, delay = rng.random(BATCH), delays(world, BATCH, rng)
        rates = rates_at(at)
        arms = player.choose(contexts, at)
        earned += float((rates * PRICES)[contexts, arms].sum())
        best += float((rates * PRICES).max(axis=1)[contexts].sum())
        purchased = luck < rates[contexts, arms]
        due = at // BATCH + 1 + delay // BATCH
        for when in np.unique(due):
            rows = due == when
            waiting[int(when)].append((contexts[rows], arms[rows], purchased[rows], np.full(rows.sum(), at)))
        tick()
    return 100 * (1 - earned / best)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seeds", default="0-9", help="such as 0-9 or 3,5")
    options.add_argument("--rounds", type=int, default=100_000)
    options.add_argument("--worlds", default=",".join(WORLDS))
    options.add_argument("--policies", default="", help="part of a name, or several with semicolons; all without it")
    options.add_argument("--out", type=Path, default=Path("var/bandit_regret.jsonl"))
    options.add_argument("--show", action="store_true", help="only print what is in --out")
    arguments = options.parse_args()
    first, _, last = arguments.seeds.partition("-")
    seeds = range(int(first), int(last) + 1) if last else [int(seed) for seed in first.split(",")]
    wanted = [part for part in arguments.policies.split(";") if part]
    makers = {name: make for name, make in players().items() if not wanted or any(part in name for part in wanted)}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    done = {tuple(run["key"]) for run in _runs(arguments.out)}
    runs = [
        (policy, world, kind, seed, arguments.rounds)
        for seed in seeds
        for world in arguments.worlds.split(",")
        for kind in KINDS
        for policy in makers
    ]
    left = [] if arguments.show else [run for run in runs if run not in done]
    with Progress() as progress:
        task = progress.add_task("runs", total=len(left) * arguments.rounds // BATCH)
        for policy, world, kind, seed, rounds in left:
            progress.update(task, description=f"{policy}: {kind} {world} {seed}")
            player, began = makers[policy](np.random.default_rng([seed, 2])), time.monotonic()
            lost = regret(player, world, kind, seed, rounds, lambda: progress.advance(task))
            line = {"key": [policy, world, kind, seed, rounds], "regret": lost, "seconds": time.monotonic() - began}
            with arguments.out.open("a") as out:
                out.write(json.dumps(line) + "\n")
    show(arguments.out, arguments.rounds)


def _runs(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def show(path: Path, rounds: int) -> None:
    """Print mean ± standard error over the seeds, a table a kind."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for run in _runs(path):
        policy, world, kind, _seed, length = run["key"]
        if length == rounds:
            found[kind, policy, world].append(run["regret"])
    for kind in KINDS:
        worlds = [world for world in WORLDS if any(key[0] == kind and key[2] == world for key in found)]
        table = Table("policy", *worlds, title=f"{kind}: regret in % of the best, mean ± standard error (seeds)")
        for policy in dict.fromkeys(key[1] for key in found):
            cells = []
            for world in worlds:
                values = found.get((kind, policy, world), [])
                error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
                cells.append(f"{np.mean(values):.2f} ± {error:.2f} ({len(values)})" if values else "–")
            table.add_row(policy, *cells)
        Console(width=200).print(table)


if __name__ == "__main__":
    main()
