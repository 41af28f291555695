"""Guardrail policies resolved for many listings: the narrowest scope that sets a field wins."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from catalog.guardrails import ResolvedGuardrails, resolve_guardrails
from catalog.models import Channel, GuardrailPolicy
from catalog.money import to_basis_points, to_ticks_above, to_ticks_below

Layer = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class PolicyBook:
    """All policies of one channel, read once. Listings that the same policies govern share one resolution."""

    global_layer: list[Layer]
    by_category: dict[int, Layer]
    by_product: dict[int, Layer]
    channel_layer: list[Layer]
    resolved: dict[tuple[int | None, int | None], ResolvedGuardrails]
    versions: dict[str, int]

    @classmethod
    def for_channel(cls, channel: Channel, proposed: GuardrailPolicy | None = None) -> "PolicyBook":
        """Read the policies; one that is proposed and not saved stands in the place of its saved row."""
        policies = GuardrailPolicy.objects.select_related("category", "product", "channel")
        if proposed is not None:
            policies = policies.exclude(pk=proposed.pk)
        book = cls([], {}, {}, [], {}, {})
        for policy in [*policies, *([proposed] if proposed is not None else [])]:
            layer = (policy.scope, _limits(policy, channel))
            book.versions[policy.scope] = policy.version
            if policy.category_id is not None:
                book.by_category[policy.category_id] = layer
            elif policy.product_id is not None:
                book.by_product[policy.product_id] = layer
            elif policy.channel_id is None:
                book.global_layer.append(layer)
            elif policy.channel_id == channel.pk:
                book.channel_layer.append(layer)
        return book

    def resolve(self, *, category_id: int | None, product_id: int) -> ResolvedGuardrails:
        """Return the limits of one product and the scope that each came from."""
        category = category_id if category_id in self.by_category else None
        product = product_id if product_id in self.by_product else None
        key = (category, product)
        if key not in self.resolved:
            self.resolved[key] = resolve_guardrails([*self._layers(category, product)])
        return self.resolved[key]

    def _layers(self, category: int | None, product: int | None) -> Iterable[Layer]:
        yield from self.global_layer
        if category is not None:
            yield self.by_category[category]
        if product is not None:
            yield self.by_product[product]
        yield from self.channel_layer


def _limits(policy: GuardrailPolicy, channel: Channel) -> dict[str, Any]:
    """Translate a row into the units of `catalog.guardrails`; amounts of another currency say nothing here.

    A floor between two minor units is the upper one, a ceiling the lower one: rounding never loosens a limit.
    """
    rates = {
        "min_margin_bp": policy.min_margin,
        "max_change_bp": policy.max_change,
        "max_change_per_day_bp": policy.max_change_per_day,
        "competitor_min_bp": policy.competitor_min,
        "competitor_max_bp": policy.competitor_max,
    }
    amounts = {
        "floor": (policy.floor, to_ticks_above),
        "ceiling": (policy.ceiling, to_ticks_below),
        "map_price": (policy.map_price, to_ticks_above),
    }
    limits: dict[str, Any] = {name: None if rate is None else to_basis_points(rate) for name, rate in rates.items()}
    if policy.currency == channel.currency:
        for name, (amount, to_ticks) in amounts.items():
            limits[name] = None if amount is None else to_ticks(amount, channel.currency_exponent)
    limits["inventory_threshold"] = policy.inventory_threshold
    limits["max_changes_per_day"] = policy.max_changes_per_day
    limits["price_endings"] = None if policy.price_endings is None else tuple(policy.price_endings)
    return limits
