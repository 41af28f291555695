from datetime import tzinfo
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from catalog.price_law import CountryRule


def validate_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError("Use a name of the time zone database, such as Europe/Berlin.") from error


class PriceLawRule(models.Model):
    """What a country asks of whoever announces a price reduction. A country without a row has no such rule."""

    country = models.CharField(
        max_length=2,
        unique=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", "Use an ISO 3166 code such as DE.")],
        help_text="ISO 3166 code, as in the channel.",
    )
    window_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text="Days before a reduction whose lowest price is the prior price; in the EU at least 30.",
    )
    prior_price_required = models.BooleanField(
        default=True, help_text="Without it the prior price is reported, and no announcement is judged."
    )
    progressive_reductions_allowed = models.BooleanField(
        default=False,
        help_text="A reduction that deepens step by step keeps the prior price of before its first step.",
    )
    time_zone = models.CharField(
        max_length=64, validators=[validate_time_zone], help_text="In which days are counted, such as Europe/Berlin."
    )
    source = models.CharField(max_length=300, blank=True, help_text="The law that says so.")

    class Meta:
        verbose_name = "price law"
        verbose_name_plural = "price law"
        ordering = ["country"]
        constraints = [
            models.CheckConstraint(condition=Q(window_days__gte=1, window_days__lte=365), name="price_law_window"),
        ]

    def __str__(self) -> str:
        return self.country

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.time_zone)

    def as_rule(self) -> CountryRule:
        return CountryRule(
            name=f"{self.country}, {self.window_days} days",
            window_days=self.window_days,
            zone=self.zone,
            progressive=self.progressive_reductions_allowed,
            is_law=self.prior_price_required,
        )
