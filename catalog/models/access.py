"""Who may call the API, and which calls were already answered."""

import hashlib
import secrets
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Scope(models.TextChoices):
    """What an API key may do."""

    PRICES_READ = "prices:read", "read prices, history and explanations"
    RUNS_WRITE = "runs:write", "start optimisation runs and read them"
    OVERRIDES_WRITE = "overrides:write", "schedule overrides and promotions, cancel and read them"
    KILL_SWITCH_WRITE = "kill-switch:write", "flip and lift kill switches"
    DECISIONS_WRITE = "decisions:write", "have the bandit decide prices, and report outcomes"
    EXPERIMENTS_READ = "experiments:read", "read price experiments and what they say"
    EXPERIMENTS_WRITE = "experiments:write", "draft, start, stop and decide price experiments"
    APPROVALS_WRITE = "approvals:write", "approve and reject prices that wait, as the key's owner"


class ApiKey(models.Model):
    """A key of 256 random bits; only its SHA-256 digest is stored, so that a leaked database opens no door."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(
        max_length=12, editable=False, help_text="The key's first characters, to recognise it by."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope), help_text="What this key may do.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The person for whom the key acts; without one it cannot approve prices.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    @classmethod
    def issue(cls, *, name: str, scopes: list[str], owner: User | None = None) -> tuple["ApiKey", str]:
        """Create a key; the second value is its text, which can never be read again."""
        text = "pk_" + secrets.token_urlsafe(32)
        key = cls.objects.create(name=name, prefix=text[:9], digest=cls.digest_of(text), scopes=scopes, owner=owner)
        return key, text

    def revoke(self, now: datetime) -> None:
        self.revoked_at = now
        self.save(update_fields=["revoked_at"])


class IdempotencyRecord(models.Model):
    """The first answer to a POST with an Idempotency-Key; kept so that a retry gets the same one."""

    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE)
    user_id = models.PositiveBigIntegerField(null=True)
    key = models.CharField(max_length=200)
    path = models.CharField(max_length=300)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    started_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "user_id", "path", "key"], nulls_distinct=False, name="idempotency_once"
            ),
            models.CheckConstraint(
                condition=Q(api_key__isnull=False) | Q(user_id__isnull=False), name="idempotency_has_owner"
            ),
        ]

    def __str__(self) -> str:
        return self.key
