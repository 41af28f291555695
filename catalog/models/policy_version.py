from django.conf import settings
from django.db import models


class GuardrailPolicyVersion(models.Model):
    """What a policy said from one moment on. Append-only, by a database trigger; it outlives the policy.

    Versions count within a scope, so that an explanation's scope and version name one row. ``limits`` is null where
    the policy was deleted or moved to another scope.
    """

    scope = models.CharField(max_length=80, help_text="As explanations name it: global, category:mugs, product:85123A.")
    version = models.PositiveIntegerField(help_text="1, 2, 3 … within the scope.")
    limits = models.JSONField(null=True, help_text="Every field of the policy; empty: no policy from here on.")
    note = models.CharField(max_length=300, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    saved_at = models.DateTimeField()

    class Meta:
        verbose_name = "policy version"
        verbose_name_plural = "policy history"
        constraints = [models.UniqueConstraint(fields=["scope", "version"], name="policy_version_once")]

    def __str__(self) -> str:
        return f"{self.scope}, version {self.version}"
