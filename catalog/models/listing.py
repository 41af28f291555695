from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from catalog.models.money import MoneyField
from catalog.models.product import Channel, Product


class PriceSource(models.TextChoices):
    """Who decided a price."""

    LIST_PRICE = "list_price", "list price"
    OPTIMIZER = "optimizer", "optimiser"
    BANDIT = "bandit", "bandit"
    EXPERIMENT = "experiment", "experiment"
    OVERRIDE = "override", "override"
    ROLLBACK = "rollback", "rollback"
    PROMOTION = "promotion", "promotion"
    MARKDOWN = "markdown", "markdown"

    @property
    def is_automatic(self) -> bool:
        """Whether no person chose this price: such a price needs a known cost."""
        return self in {PriceSource.OPTIMIZER, PriceSource.BANDIT, PriceSource.EXPERIMENT, PriceSource.MARKDOWN}

    @property
    def is_asked_for(self) -> bool:
        """Whether who hands it to the gate chose it, and so may not approve it: an experiment's winner too."""
        return not self.is_automatic or self == PriceSource.EXPERIMENT

    @property
    def is_personal(self) -> bool:
        """Whether somebody at the shop set this very price: of the hard rules, only the loss floor stops it."""
        return self in {PriceSource.LIST_PRICE, PriceSource.OVERRIDE, PriceSource.PROMOTION}


# What a person must look at: sold below its cost, or without one. The index finds the few among a million; it is used
# where a query says just this.
BELOW_COST = Q(price__lt=F("unit_cost")) | Q(price__isnull=True, list_price__lt=F("unit_cost"))
COST_UNKNOWN = Q(unit_cost__isnull=True) | Q(unit_cost=0)

# Prices of few listings; the list of them is found through an index.
RARE = [
    PriceSource.BANDIT.value,
    PriceSource.EXPERIMENT.value,
    PriceSource.OVERRIDE.value,
    PriceSource.ROLLBACK.value,
    PriceSource.PROMOTION.value,
    PriceSource.MARKDOWN.value,
]

# While one of these is in force, automatic prices are refused and no experiment's arm is served beside it.
HELD_SOURCES = frozenset({PriceSource.OVERRIDE, PriceSource.PROMOTION})


def assumed_facts(**flags: bool) -> list[str]:
    return [name for name, assumed in flags.items() if assumed]


class Listing(models.Model):
    """A product in a channel: its facts for pricing and the price in force. Only the publish gate writes the price."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="listings", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="listings")

    list_price = MoneyField(help_text="The shop's own price; served while nothing else was published.")
    unit_cost = MoneyField(null=True, blank=True, help_text="Empty means unknown: the SKU is not priced automatically.")
    unit_cost_assumed = models.BooleanField(default=False)
    unit_cost_at = models.DateTimeField(null=True, blank=True)
    inventory = models.PositiveIntegerField(null=True, blank=True, help_text="Units; empty means not limited.")
    inventory_assumed = models.BooleanField(default=False)
    inventory_at = models.DateTimeField(null=True, blank=True)

    price = MoneyField(null=True, blank=True, editable=False)
    price_version = models.PositiveBigIntegerField(default=0, editable=False)
    price_source = models.CharField(max_length=16, choices=PriceSource, blank=True, editable=False)
    price_since = models.DateTimeField(null=True, blank=True, editable=False)
    markdown_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until when a markdown plan sets the price; empty: none runs."
    )
    served_revision = models.PositiveBigIntegerField(
        default=0, db_default=0, editable=False, help_text="Rises with every change of what the storefront is served."
    )

    class Meta:
        verbose_name_plural = "products and prices"
        indexes = [
            models.Index(fields=["product"], condition=BELOW_COST | COST_UNKNOWN, name="listing_in_need"),
            models.Index(fields=["price_source"], condition=Q(price_source__in=RARE), name="listing_rare_source"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["product", "channel"], name="listing_once_per_channel"),
            models.CheckConstraint(condition=Q(list_price__gt=0), name="listing_list_price_positive"),
            models.CheckConstraint(condition=Q(unit_cost__isnull=True) | Q(unit_cost__gte=0), name="listing_cost_sane"),
            models.CheckConstraint(condition=Q(price__isnull=True) | Q(price__gt=0), name="listing_price_positive"),
            models.CheckConstraint(
                condition=Q(price__isnull=True, price_version=0) | Q(price__isnull=False, price_version__gt=0),
                name="listing_price_has_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product.sku} in {self.channel.code}"

    def clean(self) -> None:
        if self.list_price is not None and self.unit_cost is not None and self.list_price < self.unit_cost:
            raise ValidationError({"list_price": "Below the unit cost: raise it, or correct the cost."})

    @property
    def price_in_force(self) -> Decimal:
        return self.list_price if self.price is None else self.price

    @property
    def assumed_facts(self) -> list[str]:
        """Names of the facts that the demo made up."""
        return assumed_facts(unit_cost=self.unit_cost_assumed, inventory=self.inventory_assumed)


class CompetitorPrice(models.Model):
    """The latest offer seen of one competitor for a listing."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="competitor_prices")
    competitor = models.CharField(max_length=100)
    price = MoneyField()
    observed_at = models.DateTimeField()
    assumed = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "competitor"], name="competitor_once_per_listing"),
            models.CheckConstraint(condition=Q(price__gt=0), name="competitor_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.competitor}: {self.price}"
