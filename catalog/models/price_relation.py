from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from catalog.models.money import MoneyField
from catalog.models.product import Channel, Product


class PriceRelation(models.TextChoices):
    """What the prices of related products must keep."""

    FAMILY = "family", "family: one price"
    SIZE_LADDER = "size_ladder", "size ladder: a larger pack is never dearer per unit"
    QUALITY_LADDER = "quality_ladder", "quality ladder: good < better < best"


class PriceGroup(models.Model):
    """Products whose prices are decided together, in one channel or in each of all."""

    kind = models.CharField(max_length=16, choices=PriceRelation)
    name = models.CharField(max_length=200, unique=True)
    channel = models.ForeignKey(
        Channel, null=True, blank=True, on_delete=models.CASCADE, help_text="Empty: in every channel by itself."
    )

    class Meta:
        verbose_name = "family or ladder"
        verbose_name_plural = "families and ladders"
        constraints = [
            # Members repeat the kind, and a foreign key over both columns holds the two together.
            models.UniqueConstraint(fields=["id", "kind"], name="price_group_kind"),
        ]

    def __str__(self) -> str:
        return self.name


class PriceGroupMember(models.Model):
    """A product in a group, with its place in a ladder."""

    group = models.ForeignKey(PriceGroup, on_delete=models.CASCADE, related_name="members")
    kind = models.CharField(max_length=16, choices=PriceRelation, editable=False, help_text="The group's.")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="price_groups")
    position = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Quality ladders: 1 is the cheapest, then 2, 3 …"
    )
    pack_size = models.DecimalField(
        max_digits=9,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.001"), "A pack holds more than nothing.")],
        help_text="Size ladders: units, grams or litres in a pack, the same unit for all.",
    )
    step_amount = MoneyField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Quality ladders: the next better one costs at least so much more, in the channel's currency.",
    )
    step_fraction = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Or at least this fraction more: 0.1 is 10 %.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "kind"],
                name="one_price_group_of_a_kind",
                violation_error_message="This product is in another group of this kind: take it out there first.",
            ),
            models.UniqueConstraint(
                fields=["group", "position"],
                name="price_group_position_once",
                violation_error_message="Another member has this position: give each its own.",
            ),
            models.UniqueConstraint(
                fields=["group", "pack_size"],
                name="price_group_pack_size_once",
                violation_error_message="Another member has this pack size: packs of one size belong in a family.",
            ),
            models.CheckConstraint(
                condition=Q(kind="quality_ladder", position__isnull=False)
                | (~Q(kind="quality_ladder") & Q(position__isnull=True)),
                name="price_group_position_of_quality",
                violation_error_message="A position is for quality ladders, where every member needs one.",
            ),
            models.CheckConstraint(
                condition=Q(kind="size_ladder", pack_size__isnull=False, pack_size__gt=0)
                | (~Q(kind="size_ladder") & Q(pack_size__isnull=True)),
                name="price_group_pack_size_of_size",
                violation_error_message="A pack size is for size ladders, where every member needs one above zero.",
            ),
            models.CheckConstraint(
                condition=Q(kind="quality_ladder") | Q(step_amount__isnull=True, step_fraction__isnull=True),
                name="price_group_step_of_quality",
                violation_error_message="A step is for quality ladders.",
            ),
            models.CheckConstraint(
                condition=Q(step_amount__isnull=True) | Q(step_fraction__isnull=True),
                name="price_group_one_step",
                violation_error_message="Give the step as an amount or as a fraction, not as both.",
            ),
            models.CheckConstraint(
                condition=(Q(step_amount__isnull=True) | Q(step_amount__gte=0))
                & (Q(step_fraction__isnull=True) | Q(step_fraction__gte=0, step_fraction__lte=1)),
                name="price_group_step_sane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} in {self.group_id}"
