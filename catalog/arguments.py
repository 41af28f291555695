"""Types of arguments that several commands take."""

from argparse import ArgumentTypeError
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone


def a_moment(text: str) -> datetime:
    """Read an ISO 8601 moment; one without a time zone is of the shop's own."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no moment: give one like 2026-11-26T09:00+00:00") from None
    return moment if moment.tzinfo else timezone.make_aware(moment)


def a_user(name: str) -> User:
    """Read a user name."""
    user = User.objects.filter(username=name).first()
    if user is None:
        raise ArgumentTypeError(f"no user {name!r}: add one in the admin")
    return user
