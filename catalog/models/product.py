from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import LPad

from catalog.gtin import LONGEST, NotAGtin, gtin14


class Category(models.Model):
    """What shoppers and guardrail policies group products by."""

    code = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    assumed = models.BooleanField(default=False, help_text="Made up by the demo's rule, not given by the shop.")

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Channel(models.Model):
    """Where and in which currency a price applies: a web shop, a marketplace, a country."""

    code = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    currency = models.CharField(
        max_length=3, validators=[RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as GBP.")]
    )
    currency_exponent = models.PositiveSmallIntegerField(
        default=2, help_text="Decimals of the currency's minor unit: 2 for GBP and EUR, 0 for JPY."
    )
    country = models.CharField(max_length=2, help_text="ISO 3166 code; decides which price law applies.")
    own_sellers = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="The shop's own names among competitors' offers, divided by commas: their offers are left out.",
    )

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=models.Q(currency_exponent__lte=4), name="channel_exponent_at_most_4"),
        ]

    def __str__(self) -> str:
        return self.code


def validate_gtin(text: str) -> None:
    try:
        gtin14(text)
    except NotAGtin as error:
        raise ValidationError(str(error)) from error


class Product(models.Model):
    """One SKU. What it costs and sells for depends on the channel: see Listing."""

    sku = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=300)
    gtin = models.CharField(
        "GTIN",
        max_length=LONGEST,
        blank=True,
        default="",
        db_default="",
        validators=[validate_gtin],
        help_text="The digits under the barcode (EAN, UPC); finds the product among competitors' offers.",
    )
    category = models.ForeignKey(Category, null=True, blank=True, on_delete=models.PROTECT, related_name="products")
    is_active = models.BooleanField(default=True)
    is_kvi = models.BooleanField(
        "key value item", default=False, db_default=False, help_text="Shoppers judge the shop by its price."
    )

    class Meta:
        constraints = [
            # However many zeros were written in front.
            models.UniqueConstraint(
                LPad("gtin", LONGEST, Value("0")),
                condition=~Q(gtin=""),
                name="product_gtin_once",
                violation_error_message="Another product has this GTIN.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"
