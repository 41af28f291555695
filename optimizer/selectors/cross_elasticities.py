from catalog.models import Channel
from optimizer.models import TrainingJob


def newest_cross_job(*, channel: Channel) -> TrainingJob | None:
    """Return the job whose cross-price elasticities count: the newest one that is done."""
    jobs = TrainingJob.objects.filter(channel=channel, kind=TrainingJob.Kind.CROSS, status=TrainingJob.Status.DONE)
    return jobs.order_by("-created_at", "-pk").first()
