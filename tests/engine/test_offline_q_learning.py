"""Learning from a log: no worse than who wrote it, and no promise that is not kept."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from optimizer.engine.horizon import ProblemRanges, draw_problems, evaluate_policy, hold_price
from optimizer.engine.q_learning import OfflineConfig, QNetwork, Transitions, greedy_policy, log_of_play, train_offline
from optimizer.engine.q_learning.offline import conservative_loss
from optimizer.engine.q_learning.sight import FEATURES, Sight

SHORT = ProblemRanges(periods=(4, 6), demand=(1.0, 3.0))
NOISE = 0.3
CONFIG = OfflineConfig(updates=600, batch=256, device="cpu")


@pytest.fixture(scope="module")
def log() -> Transitions:
    """Play 150 problems once by a price that is held but for 30 % of the steps."""
    problem = draw_problems(150, np.random.default_rng(1), SHORT)
    return log_of_play(problem, hold_price(problem), np.random.default_rng(3), noise=NOISE)


def _promised_and_earned(network: QNetwork) -> tuple[float, float]:
    """Return what a network's values promise and what its policy earns, in the unit of each state, on new problems."""
    problem = draw_problems(60, np.random.default_rng(2), SHORT)
    sight, row = Sight(problem), np.arange(len(problem))
    view = sight.look(row, row * 0, sight.ladder.start, problem.stock)
    with torch.no_grad():
        values = network(torch.from_numpy(view.features)).numpy()
    promised = np.where(sight.mask(row, sight.ladder.start), values, -np.inf).max(axis=1)
    earned = evaluate_policy(problem, greedy_policy(network, problem)).start - view.potential
    return float(promised.mean()), float((earned / view.scale).mean())


def _earned_by_who_wrote() -> float:
    """Return what holding with noise earns on those problems in the same unit, from 200 plays of each."""
    problem = draw_problems(60, np.random.default_rng(2), SHORT)
    many = problem.rows(np.repeat(np.arange(len(problem)), 200))
    played = log_of_play(many, hold_price(many), np.random.default_rng(4), noise=NOISE)
    sight, row = Sight(many), np.arange(len(many))
    unit = sight.look(row, row * 0, sight.ladder.start, many.stock).scale
    total, ahead, begin = np.zeros(len(many)), unit.copy(), 0
    for period in range(many.longest()):
        running = many.periods > period
        part = slice(begin, begin + int(running.sum()))
        total[running] += played.reward[part] * ahead[running]
        ahead[running] *= played.unit_ratio[part]
        begin = part.stop
    return float((total / unit).mean())


def test_a_conservative_network_keeps_its_promise_and_earns_more_than_who_wrote_the_log(log: Transitions) -> None:
    promised, earned = _promised_and_earned(train_offline(log, CONFIG))
    assert promised <= earned
    assert earned >= _earned_by_who_wrote()


def test_without_the_regulariser_the_same_log_promises_too_much(log: Transitions) -> None:
    promised, earned = _promised_and_earned(train_offline(log, replace(CONFIG, conservatism=0.0)))
    assert promised > earned + 0.05


def test_the_same_seed_and_log_give_the_same_network(log: Transitions) -> None:
    quick = replace(CONFIG, updates=3)
    first, again = train_offline(log, quick), train_offline(log, quick)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


class _Fixed(torch.nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = torch.tensor([values])

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return self.values.expand(len(seen), -1)


def test_the_loss_is_that_of_the_formula() -> None:
    seen, admitted = torch.zeros((1, len(FEATURES))), torch.ones((1, 5), dtype=torch.bool)
    online, target = _Fixed([0.0, 1.0, 3.0, 0.0, 0.0]), _Fixed([9.0, 9.0, 2.0, 9.0, 9.0])
    row = [seen, torch.tensor([1]), torch.tensor([0.5]), seen, admitted, torch.tensor([False]), torch.tensor([0.25])]
    config = replace(CONFIG, conservatism=0.1, temperature=0.5)
    worth = 0.5 + 0.25 * 2.0
    gap = 0.5 * np.log(3 * np.exp(0.0) + np.exp(2.0) + np.exp(6.0)) - 1.0
    loss = conservative_loss(online, target, row, config)  # type: ignore[arg-type]
    assert float(loss) == pytest.approx((1.0 - worth) ** 2 / 2 + 0.1 * gap)


def test_a_log_has_a_row_for_every_period_of_every_problem(log: Transitions) -> None:
    problem = draw_problems(150, np.random.default_rng(1), SHORT)
    assert len(log.action) == problem.periods.sum()
    assert log.done.sum() == len(problem)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", np.array([5])),
        ("reward", np.array([np.nan])),
        ("done", np.array([False, True])),
        ("seen", np.zeros((1, 2), dtype=np.float32)),
        ("admitted", np.zeros((1, 5), dtype=bool)),
    ],
)
def test_transitions_outside_their_domain_are_refused(log: Transitions, field: str, value: np.ndarray) -> None:
    one = {column.name: getattr(log, column.name)[:1] for column in fields(log)}
    with pytest.raises(ValueError, match=f"^{field}: "):
        Transitions(**one | {field: value})


@pytest.mark.parametrize(
    ("field", "value"), [("conservatism", -0.1), ("temperature", 0.0), ("updates", 0), ("learning_rate", 2.0)]
)
def test_an_offline_configuration_outside_its_domain_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        replace(CONFIG, **{field: value})
