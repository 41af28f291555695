from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from catalog.models.product import Category, Channel


class KillSwitch(models.Model):
    """An order that nothing automatic is published: everywhere, in a channel, a category, or by one model.

    On until it is lifted; the row stays as history. Only `catalog.services.kill_switches` writes it.
    """

    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    category = models.ForeignKey(Category, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(
        max_length=64,
        blank=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_.:-]+\Z", "Use letters, digits and . _ : - only.")],
        help_text="optimizer, bandit, experiment, the name of a fit such as elasticity-3, or an experiment's code.",
    )
    reason = models.CharField(max_length=300, help_text="Why automatic prices must stop.")
    flipped_at = models.DateTimeField()
    flipped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    flipped_through = models.CharField(max_length=120, help_text="The door: admin, command, or which API key.")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lifted_through = models.CharField(max_length=120, blank=True)
    lift_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "kill switches"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "category", "model"],
                condition=Q(lifted_at__isnull=True),
                nulls_distinct=False,
                name="kill_switch_once_on",
            ),
            models.CheckConstraint(
                condition=(
                    Q(category__isnull=True, model="")
                    | Q(channel__isnull=True, model="")
                    | Q(channel__isnull=True, category__isnull=True)
                ),
                name="kill_switch_has_one_scope",
                violation_error_message="Choose at most one of channel, category and model.",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="kill_switch_has_reason"),
        ]

    def __str__(self) -> str:
        return self.scope

    @property
    def is_on(self) -> bool:
        return self.lifted_at is None

    @property
    def scope(self) -> str:
        """``global``, ``channel:<code>``, ``category:<code>`` or ``model:<name>``."""
        if self.channel is not None:
            return f"channel:{self.channel.code}"
        if self.category is not None:
            return f"category:{self.category.code}"
        return f"model:{self.model}" if self.model else "global"
