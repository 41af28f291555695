"""What commands that train share."""

from django.core.management.base import CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from optimizer.models import TrainingJob
from optimizer.services.open_training import busy_words


def done_here(job: TrainingJob, *, doing: str) -> TrainingJob:
    """Do a job that was just opened in this process, showing what it is at; return it as it ended well.

    Raises:
        CommandError: it failed, or a worker is at the channel.
    """
    # Imported here: `manage.py help` loads every command and need not load torch.
    from optimizer.services.run_training import run_training

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        job = run_training(job_id=job.pk, clock=timezone.now, progress=ProgressBars(bars, doing))
    if job.error or job.finished_at is None:
        raise CommandError(job.error or busy_words(job), returncode=2)
    return job


class ProgressBars:
    """Show a line for the whole, and a bar for each work whose share done is known."""

    def __init__(self, bars: Progress, doing: str) -> None:
        self.bars, self.whole = bars, bars.add_task(doing, total=None)
        self.works: dict[str, TaskID] = {}

    def __call__(self, words: str, share: float | None = None) -> None:
        """Move the bar of a work, or say on the line of the whole what is done."""
        if share is None:
            self.bars.update(self.whole, description=words)
            return
        if words not in self.works:
            for earlier in self.works.values():
                self.bars.update(earlier, completed=1.0)
            self.works[words] = self.bars.add_task(words, total=1.0)
        self.bars.update(self.works[words], completed=share)
