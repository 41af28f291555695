from django.conf import settings
from django.db import models


class AdminAction(models.Model):
    """Something that a person sent to the admin: saved, deleted, pressed, logged in. Append-only by a trigger.

    The row is written before the page does its work and gets the answer's status after it: without a status the
    process died in between. What was changed stands in Django's log and in the price ledger.
    """

    at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    action = models.CharField(max_length=100, blank=True, help_text="The button or bulk action that was chosen.")
    selected = models.JSONField(default=list, help_text="Keys of the rows that a bulk action was for.")
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the answer.")

    class Meta:
        verbose_name = "admin action"
        verbose_name_plural = "activity"
        indexes = [models.Index(fields=["user", "-id"], name="admin_action_by_user")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
