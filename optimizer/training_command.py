"""What commands that train share."""

from django.core.management.base import CommandError
from django.utils import timezone
from rich.console import Console

from optimizer.models import TrainingJob
from optimizer.services.open_training import busy_words


def done_here(job: TrainingJob, *, doing: str) -> TrainingJob:
    """Do a job that was just opened in this process, showing what it is at; return it as it ended well.

    Raises:
        CommandError: it failed, or a worker is at the channel.
    """
    # Imported here: `manage.py help` loads every command and need not load torch.
    from optimizer.services.run_training import run_training

    with Console(stderr=True).status(doing) as status:
        job = run_training(job_id=job.pk, clock=timezone.now, progress=status.update)
    if job.error or job.finished_at is None:
        raise CommandError(job.error or busy_words(job), returncode=2)
    return job
