"""Which policies decide for a listing, and which of them decides a given event."""

import hashlib
import uuid
from dataclasses import dataclass

from catalog.models import Listing
from experiments.models import BanditExperiment
from experiments.stats.policy_names import DEFAULT_POLICY


@dataclass(frozen=True)
class Policies:
    """A champion and its challengers, ``(policy, share in %)``. ``salt`` keeps the draws of experiments apart."""

    champion: str = DEFAULT_POLICY
    challengers: tuple[tuple[str, int], ...] = ()
    worth: str = BanditExperiment.Worth.PRICE.value
    salt: int = 0

    @property
    def names(self) -> list[str]:
        """Every policy once, the champion first."""
        return list(dict.fromkeys([self.champion, *(policy for policy, _ in self.challengers)]))

    def policy_of(self, event_id: uuid.UUID) -> str:
        """Return who decides an event: the same whenever it is asked, and independent of the event's context."""
        if not self.challengers:
            return self.champion
        digest = hashlib.blake2b(event_id.bytes, digest_size=8, salt=self.salt.to_bytes(8)).digest()
        point = int.from_bytes(digest) % 100
        for policy, share in self.challengers:
            if point < share:
                return policy
            point -= share
        return self.champion


@dataclass(frozen=True)
class ExperimentBook:
    """The experiments of one channel, read once for many listings."""

    by_category: dict[int | None, Policies]

    @classmethod
    def read(cls, *, channel: str) -> "ExperimentBook":
        rows = BanditExperiment.objects.filter(channel__code=channel).prefetch_related("challengers")
        return cls(
            {
                row.category_id: Policies(
                    champion=row.champion,
                    challengers=tuple(sorted((each.policy, each.share) for each in row.challengers.all())),
                    worth=row.worth,
                    salt=row.pk,
                )
                for row in rows
            }
        )

    def policies_of(self, listing: Listing) -> Policies:
        """Return the policies of the listing's category, else of its channel, else the default one."""
        own = self.by_category.get(listing.product.category_id)
        return own or self.by_category.get(None) or Policies()
