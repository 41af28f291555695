"""How a Q-network is trained."""

from dataclasses import dataclass, field
from typing import Final

from optimizer.engine.horizon import ProblemRanges

VALIDATION: Final = 40
"""Problems that early stopping looks at; none of them is trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DqnConfig:
    """Hold what decides a training.

    Args:
        seed: of the network, the problems and the play; the same seed, device and number of updates give the same
            network.
        hidden: units of each hidden layer.
        batch: states an update.
        demands: how many demands are drawn for each state and action.
        n_step: periods that are played before the target network values the state that was reached.
        learning_rate: of Adam, at the beginning; it falls to nothing along a cosine.
        target_rate: share of the network that goes over into the target network at each update.
        average_decay: of the averaged weights that the trained policy uses.
        epsilon: share of steps taken at random among those that the mask admits.
        redraw: updates that the same problems are played for.
        max_updates: updates at most.
        max_seconds: wall time at most; None sets no limit. The learning rate then falls with time too, so that where
            it ends depends on the machine.
        validate_every: updates between two validations.
        patience: validations without a new best before training stops.
        device: as `optimizer.engine.devices.resolve_device` takes it.
        ranges: what problems are drawn from.

    Raises:
        ValueError: a value is outside its domain; the message names the field.
    """

    seed: int = 0
    hidden: tuple[int, ...] = (64, 64)
    batch: int = 1_024
    demands: int = 2
    n_step: int = 1
    learning_rate: float = 2e-3
    target_rate: float = 0.02
    average_decay: float = 0.995
    epsilon: float = 0.25
    redraw: int = 32
    max_updates: int = 6_000
    max_seconds: float | None = None
    validate_every: int = 200
    patience: int = 15
    device: str = "auto"
    ranges: ProblemRanges = field(default_factory=ProblemRanges)

    def __post_init__(self) -> None:
        whole = ("batch", "demands", "n_step", "redraw", "max_updates", "validate_every", "patience")
        for name in whole:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)}; give 1 or more")
        if self.seed < 0:
            raise ValueError(f"seed: {self.seed}; give 0 or more")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden: {self.hidden}; give the units of one layer or more, each 1 or more")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate: {self.learning_rate}; give a number above 0")
        if not 0 < self.target_rate <= 1:
            raise ValueError(f"target_rate: {self.target_rate}; give a share above 0, at most 1")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"average_decay: {self.average_decay}; give a number from 0 to below 1")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon: {self.epsilon}; give a share from 0 to 1")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ValueError(f"max_seconds: {self.max_seconds}; give a number above 0, or None for no limit")
