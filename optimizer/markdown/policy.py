"""The best price at every stock, time and price before it: a finite-horizon dynamic programme."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .demand import period_sales
from .problem import UNLIMITED, Bools, Floats, Ints, MarkdownProblem, alike_rows

Codes = NDArray[np.int8]

TIE: Final = 1e-9
"""Prices whose values differ by less than this share count as equal; the transform is exact to about 10⁻¹³."""


@dataclass(frozen=True, slots=True)
class MarkdownPolicy:
    """Hold the optimal policy of many SKUs.

    Args:
        first: (sku,) int8 the rung to take now.
        first_changes: (sku,) int64 changes that are left after it.
        value: (sku,) float64 ticks, the expected revenue and terminal value from now on.
        rung: (period left − 1, sku, rung before, changes left, cell) int8, the rung to take.
        error_bound: (sku,) float64 ticks by which `value` can be off because of the stock grid; 0 for an exact one.
    """

    first: Codes
    first_changes: Ints
    value: Floats
    rung: Codes
    error_bound: Floats


def solve_markdowns(problem: MarkdownProblem) -> MarkdownPolicy:
    """Maximise expected revenue plus terminal value over all policies that choose a price each period.

    V_t(s, k, c) = max_j { p_j·E[min(D_j, s)] + E V_{t−1}((s − D_j)⁺, j, c − 1{j ≠ k}) },
    V_0(s) = salvage·s − penalty·(s − target)⁺, over the rungs j that may follow rung k with c changes left. Units on
    hand are paid for: their cost is not in the value, the guardrails keep the ladder above the loss floor. Of prices
    that are worth the same the one before stays, else the highest is taken. Where the price in force may move to no
    rung, the nearest rung is taken: the ladder is what the guardrails allow.

    Args:
        problem: (sku,) markdowns.

    Returns:
        The policy, exact where the stock is counted unit by unit, else within `error_bound`.

    Source: Bitran and Mondschein (1997), "Periodic pricing of seasonal products in retailing"; structure: Gallego and
    van Ryzin (1994), "Optimal dynamic pricing of inventories with stochastic demand over finite horizons".
    """
    periods, rungs, cells = int(problem.periods.max(initial=1)), problem.ladder.shape[1], problem.cells()
    changes = _change_states(problem)
    rung = np.zeros((periods, len(problem), rungs, changes, cells), dtype=np.int8)
    first = np.zeros(len(problem), dtype=np.int8)
    first_changes = np.zeros(len(problem), dtype=np.int64)
    value = np.zeros(len(problem))
    for rows in alike_rows(problem, problem.work(rungs * changes)):
        part = _Backward(problem.rows(rows), changes)
        rung[:, rows, ..., : part.width] = part.run()
        first[rows], first_changes[rows], value[rows] = part.first, part.first_changes, part.value
    return MarkdownPolicy(first, first_changes, value, rung, problem.error_bound())


def _change_states(problem: MarkdownProblem) -> int:
    """More changes than periods are as many as periods."""
    return int(np.minimum(problem.max_changes, problem.periods).max(initial=0)) + 1 if len(problem) else 1


class _Backward:
    """The recursion over some SKUs. Arrays are (sku, rung, changes left, cell)."""

    def __init__(self, problem: MarkdownProblem, changes: int) -> None:
        self.problem = problem
        self.changes = changes
        self.first = np.zeros(len(problem), dtype=np.int8)
        self.first_changes = np.zeros(len(problem), dtype=np.int64)
        self.value = np.zeros(len(problem))
        self.width = problem.cells()
        shift, units = period_sales(problem).mixed()
        self.transition = Transition(shift[:, :, None, :])
        self.revenue = (problem.ladder[:, :, None] * units)[:, :, None, :]
        self.limited = problem.max_changes != UNLIMITED
        self.allowed = allowed_moves(problem)

    def run(self) -> Codes:
        """Return the policy and keep, where a SKU's number of periods is reached, its first decision."""
        shape = (len(self.problem), self.problem.ladder.shape[1], self.changes, self.width)
        rung = np.empty((int(self.problem.periods.max()), *shape), dtype=np.int8)
        ahead: Floats = np.broadcast_to(self.problem.terminal_value()[:, None, None, :], shape)
        for period in range(len(rung)):
            worth = self.revenue + self.transition.expectation(ahead)
            now = np.flatnonzero(self.problem.periods == period + 1)
            if len(now):
                self.first[now], self.first_changes[now], self.value[now] = self._first(worth, now)
            ahead, rung[period] = self._best(worth)
        return rung

    def _best(self, worth: Floats) -> tuple[Floats, Codes]:
        """Return the value and the rung of the best price for every rung before it."""
        changed = _after_a_change(worth, self.limited)
        # A better price must be better by more than rounding: at a tie the price stays, or the highest is taken.
        tie = TIE * np.maximum(1.0, np.abs(worth).max(axis=1))
        values, choices = worth.copy(), np.empty(worth.shape, dtype=np.int8)
        for before in range(worth.shape[1]):
            best, choice = values[:, before], choices[:, before]
            choice[...] = before
            for after in np.flatnonzero(self.allowed[:, before].any(axis=0)):
                option = changed[:, after]
                better = (option > best + tie) & self.allowed[:, before, after, None, None]
                np.copyto(best, option, where=better)
                np.copyto(choice, np.int8(after), where=better)
        return values, choices

    def _first(self, worth: Floats, now: Ints) -> tuple[Codes, Ints, Floats]:
        problem, worth = self.problem.rows(now), worth[now]
        left = np.where(self.limited[now], np.minimum(problem.max_changes, problem.periods), 0)
        at = np.arange(len(now))
        keep = worth[at, :, left, problem.start]
        change = _after_a_change(worth, self.limited[now])[at, :, left, problem.start]
        allowed, same = first_moves(problem, change)
        options = np.where(same, keep, np.where(allowed, change, -np.inf))
        best = options.max(axis=1)
        good = options >= (best - TIE * np.maximum(1.0, np.abs(best)))[:, None]
        chosen = np.where((good & same).any(axis=1), np.argmax(good & same, axis=1), np.argmax(good, axis=1))
        after = left - (self.limited[now] & ~same[at, chosen])
        return chosen.astype(np.int8), np.maximum(after, 0), best


class Transition:
    """Move stock by what a period sells: a convolution, done by the fast Fourier transform."""

    def __init__(self, shift: Floats) -> None:
        self.cells = shift.shape[-1]
        self.size = 1 << (2 * self.cells - 1).bit_length()
        self.transform = np.fft.rfft(shift, self.size)
        before = np.cumsum(shift, axis=-1) - shift
        self.sold_out = np.clip(1 - before, 0, 1)

    def expectation(self, ahead: Floats) -> Floats:
        """Return E[V((s − D)⁺)] for V over (…, cell)."""
        above_empty = ahead - ahead[..., :1]
        moved = np.fft.irfft(self.transform * np.fft.rfft(above_empty, self.size), self.size)[..., : self.cells]
        expected: Floats = moved + ahead[..., :1]
        return expected

    def forward(self, mass: Floats) -> Floats:
        """Return where probability mass over (…, cell) is after the period."""
        moved = np.fft.irfft(np.conj(self.transform) * np.fft.rfft(mass, self.size), self.size)[..., : self.cells]
        moved = np.maximum(moved, 0)
        moved[..., 0] = (self.sold_out * mass).sum(axis=-1)
        return moved


def _after_a_change(worth: Floats, limited: Bools) -> Floats:
    """Return (sku, rung, changes left, cell) what a rung is worth if taking it uses up one change."""
    used = np.full_like(worth, -np.inf)
    used[:, :, 1:] = worth[:, :, :-1]
    return np.where(limited[:, None, None, None], used, worth)


def allowed_moves(problem: MarkdownProblem) -> Bools:
    """Return (sku, rung before, rung) which other price may follow which."""
    before, after = problem.ladder[:, :, None], problem.ladder[:, None, :]
    moves = _moves(before, after, problem.only_down[:, None, None], problem.max_step[:, None, None])
    other: Bools = moves & (before != after)
    return other


def first_moves(problem: MarkdownProblem, change: Floats) -> tuple[Bools, Bools]:
    """Return (sku, rung) which rung may follow the price in force, and which is that price."""
    before = problem.current[:, None]
    same = problem.ladder == before
    allowed = _moves(before, problem.ladder, problem.only_down[:, None], problem.max_step[:, None])
    allowed = allowed & np.isfinite(change)
    stuck = ~(allowed | same).any(axis=1)
    nearest = np.argmin(np.abs(problem.ladder - before), axis=1)
    same[stuck, nearest[stuck]] = True
    return allowed, same


def _moves(before: Floats, after: Floats, only_down: Any, max_step: Any) -> Bools:
    rounding = 1e-9 * before
    moves: Bools = ((after <= before) | ~only_down) & (np.abs(after - before) <= max_step * before + rounding)
    return moves
