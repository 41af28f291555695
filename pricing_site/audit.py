"""Middleware that records every write in the admin. Reading is not recorded; nor is what was typed into a form."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

from catalog.services.admin_actions import begin_admin_action, end_admin_action

READING = ("GET", "HEAD", "OPTIONS", "TRACE")


@sync_and_async_middleware
def record_admin_actions(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Store each write before it is done and its status after it; a write that cannot be recorded is not done."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            if not _is_recorded(request):
                return await get_response(request)
            pk = await sync_to_async(_begin)(request)
            response = await get_response(request)
            await sync_to_async(end_admin_action)(pk=pk, status=response.status_code)
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        if not _is_recorded(request):
            return get_response(request)
        pk = _begin(request)
        response = get_response(request)
        end_admin_action(pk=pk, status=response.status_code)
        return response

    return answer


def _is_recorded(request: HttpRequest) -> bool:
    return request.method not in READING and request.path.startswith(reverse("admin:index"))


def _begin(request: HttpRequest) -> int:
    return begin_admin_action(
        user=request.user if isinstance(request.user, User) else None,
        method=request.method or "",
        path=request.path,
        action=_action(request),
        selected=request.POST.getlist("_selected_action"),
        now=timezone.now(),
    )


def _action(request: HttpRequest) -> str:
    """Return the bulk action, or else the buttons: Django's and ours begin with an underscore."""
    buttons = [name for name in request.POST if name.startswith("_") and name != "_selected_action"]
    return request.POST.get("action") or " ".join(buttons)
