from celery import shared_task
from django.utils import timezone

from catalog.services import apply_overrides
from catalog.services.price_approvals import expire_approvals
from catalog.services.served_records import warm_cold_cache


@shared_task
def warm_price_cache() -> int:
    """Fill Redis where it is cold: after it restarted, or everything was forgotten. Else this does nothing."""
    return warm_cold_cache()


@shared_task
def apply_due_overrides() -> None:
    """Start and end what is due, should no `manage.py run_schedules` be running."""
    apply_overrides.apply_due_overrides(now=timezone.now())


@shared_task
def expire_price_approvals() -> int:
    """Close parked prices that nobody decided on in time; return how many."""
    return expire_approvals(now=timezone.now())
