"""How far a training job is: told to whoever waits for it, and written into its row. Only workers load this file."""

import time
from typing import Final, Protocol

from optimizer.models import TrainingJob
from optimizer.models.training import STEPS

WRITE_SECONDS: Final = 2.0
"""Between writes within a step: often enough for a page that is loaded again, rarely enough to cost nothing."""


class Told(Protocol):
    """Is told what a job is at, and the share of that work that is done, 0 to 1, where it is known."""

    def __call__(self, words: str, share: float | None = None) -> object: ...


def nobody(words: str, share: float | None = None) -> None:
    """Tell nobody."""


class TrainingProgress:
    """Take a step of a job, or how far it is within one after a colon; a step's beginning is always written."""

    def __init__(self, job: TrainingJob, told: Told) -> None:
        self.job, self.told, self.written_at = job, told, 0.0

    def __call__(self, words: str, share: float | None = None) -> None:
        """Say what the job is at; write it, unless the same step was written a moment ago."""
        self.told(words, share)
        step, of_step, _ = words.partition(":")
        if of_step and self.job.step.partition(":")[0] == step and time.monotonic() - self.written_at < WRITE_SECONDS:
            return
        done = "" if share is None else f", {share:.0%}"
        self.job.step = f"{words}{done}"[: TrainingJob._meta.get_field("step").max_length]
        self.job.steps_done = STEPS[TrainingJob.Kind(self.job.kind)].index(step)
        self.job.save(update_fields=["step", "steps_done"])
        self.written_at = time.monotonic()
