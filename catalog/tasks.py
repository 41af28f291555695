from celery import shared_task

from catalog.models import Channel
from catalog.services.served_records import warm_served_records


@shared_task
def warm_price_cache() -> int:
    """Refill Redis before its records expire; heals it after a restart or a lost write."""
    return sum(warm_served_records(channel=code) for code in Channel.objects.values_list("code", flat=True))
