"""How to log in to the demo: made once at random, kept in a file that only its owner can read."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

from catalog.models import ApiKey
from catalog.models.access import Scope

USERNAME = "demo"
KEY_NAME = "demo storefront"


@dataclass(frozen=True)
class DemoCredentials:
    username: str
    password: str
    api_key: str


def demo_credentials(home: Path) -> DemoCredentials:
    """Return the demo's credentials and make sure that the database knows them."""
    credentials = _read(home / "credentials.json")
    with transaction.atomic():
        user, _ = get_user_model().objects.get_or_create(
            username=credentials.username, defaults={"is_staff": True, "is_superuser": True}
        )
        if not user.check_password(credentials.password):
            user.set_password(credentials.password)
            user.save()
        ApiKey.objects.get_or_create(
            digest=ApiKey.digest_of(credentials.api_key),
            defaults={"name": KEY_NAME, "prefix": credentials.api_key[:9], "scopes": list(Scope.values)},
        )
    return credentials


def _read(path: Path) -> DemoCredentials:
    if path.exists():
        return DemoCredentials(**json.loads(path.read_text()))
    made = DemoCredentials(USERNAME, secrets.token_urlsafe(12), "pk_" + secrets.token_urlsafe(32))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(made), file)
    partial.rename(path)
    return made
