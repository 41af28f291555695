from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from catalog.models.money import MoneyField
from catalog.models.product import Category, Channel, Product

POSITIVE = MinValueValidator(Decimal("0.0001"), "Leave it empty for no limit: zero is not a price.")
SCOPES = ("category", "product", "channel")


class GuardrailPolicy(models.Model):
    """Limits that a price must keep, for everything or for one category, product or channel.

    The narrowest scope that sets a field wins: global < category < product < channel. An empty field says nothing.
    """

    category = models.ForeignKey(Category, null=True, blank=True, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, null=True, blank=True, on_delete=models.CASCADE)
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.CASCADE)

    min_margin = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(Decimal("0.95"))],
        help_text="Smallest (price - cost) / price, as a fraction: 0.15 is 15 %.",
    )
    max_change = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Largest step against the price in force, as a fraction.",
    )
    max_change_per_day = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Largest change within 24 hours, against the price in force when they began, as a fraction.",
    )
    max_changes_per_day = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="After so many changes within 24 hours the price stays as it is."
    )
    inventory_threshold = models.PositiveIntegerField(
        null=True, blank=True, help_text="With fewer units in stock the price is not lowered."
    )
    currency = models.CharField(
        max_length=3,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as GBP.")],
        help_text="Currency of the three price limits; they apply in channels of this currency only.",
    )
    floor = MoneyField(null=True, blank=True, validators=[POSITIVE], help_text="Lowest price.")
    ceiling = MoneyField(null=True, blank=True, validators=[POSITIVE], help_text="Highest price.")
    map_price = MoneyField("minimum advertised price", null=True, blank=True, validators=[POSITIVE], help_text="MAP.")
    competitor_min = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("-0.99"))],
        help_text="Lowest distance to the competitors' median price: -0.1 is 10 % below it.",
    )
    competitor_max = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("-0.99"))],
        help_text="Highest distance to the competitors' median price: 0.1 is 10 % above it.",
    )
    price_endings = ArrayField(
        models.CharField(max_length=2, validators=[RegexValidator(r"^[0-9]{1,2}$", "Use one or two digits.")]),
        null=True,
        blank=True,
        help_text="Last digits that a price may end with, such as 5,9 or 49,99.",
    )
    version = models.PositiveIntegerField(
        default=0, editable=False, help_text="What it says now is that version of its scope; 0: none was kept."
    )
    note = models.CharField(max_length=300, blank=True, help_text="Why this policy exists.")

    class Meta:
        verbose_name_plural = "guardrail policies"
        constraints = [
            models.UniqueConstraint(
                fields=SCOPES,
                nulls_distinct=False,
                name="policy_once_per_scope",
                violation_error_message="A policy for this scope exists already: edit that one.",
            ),
            models.CheckConstraint(
                condition=(
                    Q(category__isnull=True, product__isnull=True)
                    | Q(category__isnull=True, channel__isnull=True)
                    | Q(product__isnull=True, channel__isnull=True)
                ),
                name="policy_has_one_scope",
                violation_error_message="Choose at most one of category, product and channel.",
            ),
            models.CheckConstraint(
                condition=Q(min_margin__isnull=True) | Q(min_margin__gte=0, min_margin__lte=0.95),
                name="policy_min_margin_sane",
            ),
            models.CheckConstraint(
                condition=Q(floor__gt=0) | Q(floor__isnull=True),
                name="policy_floor_positive",
                violation_error_message="Leave the floor empty for no limit: zero is not a price.",
            ),
            models.CheckConstraint(
                condition=~Q(currency="") | Q(floor__isnull=True, ceiling__isnull=True, map_price__isnull=True),
                name="policy_amounts_have_currency",
                violation_error_message="Say in which currency the price limits are.",
            ),
            models.CheckConstraint(
                condition=Q(max_change__isnull=True) | Q(max_change__gte=0, max_change__lte=1),
                name="policy_max_change_sane",
            ),
            models.CheckConstraint(
                condition=Q(max_change_per_day__isnull=True) | Q(max_change_per_day__gte=0, max_change_per_day__lte=1),
                name="policy_max_change_per_day_sane",
            ),
        ]

    def __str__(self) -> str:
        return self.scope

    @property
    def scope(self) -> str:
        """Name the scope as explanations do: ``global``, ``category:mugs``, ``product:85123A``, ``channel:web``."""
        if self.channel is not None:
            return f"channel:{self.channel.code}"
        if self.product is not None:
            return f"product:{self.product.sku}"
        if self.category is not None:
            return f"category:{self.category.code}"
        return "global"

    def clean(self) -> None:
        errors = {}
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            errors["floor"] = "The floor is above the ceiling: lower it or raise the ceiling."
        if not self.currency and any(limit is not None for limit in (self.floor, self.ceiling, self.map_price)):
            errors["currency"] = "Say in which currency the price limits are."
        if self.currency and self.channel is not None and self.currency != self.channel.currency:
            errors["currency"] = f"The channel's currency is {self.channel.currency}."
        if (
            self.competitor_min is not None
            and self.competitor_max is not None
            and self.competitor_min > self.competitor_max
        ):
            errors["competitor_min"] = "The corridor is empty: its lower end is above its upper end."
        if errors:
            raise ValidationError(errors)
