"""Value and optimum of tiny problems by enumeration: every course of sales, every policy. No recursion over values."""

import itertools
import math

from optimizer.engine.horizon.ladder import Ladder


class Courses:
    """Hold the chance and the reward of each number of sales: keys (period, rung, stock, sold), of one problem."""

    def __init__(self, problem):
        ladder = Ladder.of(problem)
        self.periods, self.stock = int(problem.periods[0]), int(problem.stock[0])
        self.start, self.rungs = int(ladder.start[0]), int(ladder.rungs[0])
        self.loss = float(problem.unit_cost[0] - problem.salvage[0])
        self.outcome = {
            (period, rung, stock, sold): outcome(problem, float(ladder.price[0, rung]), period, stock, sold)
            for period in range(self.periods)
            for rung in range(self.rungs)
            for stock in range(self.stock + 1)
            for sold in range(stock + 1)
        }

    def expected_profit(self, policy):
        """Return Σ P(course)·profit over all courses; ``policy(period, before, stock)`` names the rung."""
        courses = itertools.product(range(self.stock + 1), repeat=self.periods)
        return sum(self._course(policy, course) for course in courses if sum(course) <= self.stock)

    def _course(self, policy, course):
        chance, profit, stock, rung = 1.0, 0.0, self.stock, self.start
        for period, sold in enumerate(course):
            rung = policy(period, rung, stock)
            here, reward = self.outcome[period, rung, stock, sold]
            chance, profit, stock = chance * here, profit + reward, stock - sold
        return chance * (profit - self.loss * stock)

    def best_profit(self, reach):
        """Return the most that any policy brings whose rung moves by `reach` at most, trying every one."""
        later = itertools.product(range(1, self.periods), range(self.rungs), range(self.stock + 1))
        states = [(0, self.start, self.stock), *later]
        options = [range(max(0, k - reach), min(self.rungs, k + reach + 1)) for _, k, _ in states]
        policies = (dict(zip(states, choice, strict=True)) for choice in itertools.product(*options))
        return max(self.expected_profit(lambda *state, table=table: table[state]) for table in policies)


def outcome(problem, price, period, stock, sold):
    rival = (problem.competitor[0, period] / problem.reference[0]) ** problem.cross_elasticity[0]
    response = (price / problem.reference[0]) ** problem.elasticity[0]
    mean = float(problem.demand[0] * problem.season[0, period] * rival * response)
    chances = [math.exp(-mean) * mean**units / math.factorial(units) for units in range(100)]
    asked = range(sold, sold + 1) if sold < stock else range(stock, 100)
    chance = sum(chances[units] for units in asked)
    unmet = sum(chances[units] * (units - sold) for units in asked) / chance
    return chance, float((price - problem.unit_cost[0]) * sold - problem.shortage_cost[0] * unmet)
