"""Which unit an event belongs to, and which arm the hash gives it."""

from datetime import UTC, date, datetime

from django.utils import timezone

from catalog.arms import drawn_arm, slot_arm
from experiments.models import PriceExperiment

Design = PriceExperiment.Design
READ_FROM_SALES = {Design.SKU, Design.CATEGORY}
"""Designs whose units are listings: what they sold is known already."""


class DrawnArms:
    """The arms of one experiment by name, and the draw of its units: one query when it is made."""

    def __init__(self, experiment: PriceExperiment) -> None:
        self.experiment = experiment
        self.arms = list(experiment.arms.order_by("position"))
        self.ids = {arm.name: arm.pk for arm in self.arms}
        self.shares = [arm.share for arm in self.arms]

    def is_left_out(self, moment: datetime) -> bool:
        """Whether the plan leaves out what happens then: a slot's wash-out, or a slot that the start cuts."""
        seconds, started_at = self.experiment.slot_seconds, self.experiment.started_at
        if not seconds or started_at is None:
            return False
        into_slot = moment.timestamp() % seconds
        return into_slot < self.experiment.washout_seconds or moment.timestamp() - into_slot < started_at.timestamp()

    def place_of(self, unit: str, moment: datetime) -> tuple[str, date]:
        """Return the unit of an event and the day to which it belongs: of a slot the one on which it began."""
        if not self.experiment.slot_seconds:
            return unit, timezone.localdate(moment)
        slot = int(moment.timestamp() // self.experiment.slot_seconds)
        began = datetime.fromtimestamp(slot * self.experiment.slot_seconds, UTC)
        return str(slot), timezone.localdate(began)

    def arm_of(self, unit: str) -> int | None:
        """Return the arm of a region or slot; None for units that the shop draws."""
        if self.experiment.design == Design.SWITCHBACK:
            seconds = self.experiment.slot_seconds or 0
            return self.arms[slot_arm(self.experiment.salt, int(unit), seconds, self.shares)].pk
        if self.experiment.design == Design.REGION:
            return self.arms[drawn_arm(self.experiment.salt, unit, self.shares)].pk
        return None
