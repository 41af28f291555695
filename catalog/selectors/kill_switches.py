"""Which kill switches are on, and what they cover."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from catalog.models import KillSwitch


@dataclass(frozen=True)
class SwitchesOn:
    """The switches that are on, read once for many listings."""

    everything: bool
    channels: frozenset[int]
    categories: frozenset[int]
    models: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.everything or self.channels or self.categories or self.models)

    def covers(self, *, channel_id: int, category_id: int | None, models: Iterable[str]) -> bool:
        """Tell whether nothing automatic may be published here by any of these models."""
        return (
            self.everything
            or channel_id in self.channels
            or category_id in self.categories
            or not self.models.isdisjoint(models)
        )


def switches_on() -> SwitchesOn:
    """Return what is switched off now: one query, of the few rows that are on."""
    rows = list(KillSwitch.objects.filter(lifted_at=None).values_list("channel_id", "category_id", "model"))
    return SwitchesOn(
        everything=(None, None, "") in rows,
        channels=frozenset(channel for channel, _, _ in rows if channel is not None),
        categories=frozenset(category for _, category, _ in rows if category is not None),
        models=frozenset(model for _, _, model in rows if model),
    )


def kill_switches(*, on: bool | None = None) -> QuerySet[KillSwitch]:
    """Return switches, newest first: all that ever were, or those that are on (True) or lifted (False)."""
    rows = KillSwitch.objects.select_related("channel", "category", "flipped_by", "lifted_by").order_by("-pk")
    return rows if on is None else rows.filter(lifted_at__isnull=on)
