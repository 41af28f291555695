from celery import shared_task

from catalog.services.served_records import warm_cold_cache


@shared_task
def warm_price_cache() -> int:
    """Fill Redis where it is cold: after it restarted, or everything was forgotten. Else this does nothing."""
    return warm_cold_cache()
