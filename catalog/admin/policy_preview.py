"""The page that shows what an unsaved policy would do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils import timezone

from catalog.admin.explanation import Rows, scope_words
from catalog.admin.formatting import money, number
from catalog.models import Channel, GuardrailPolicy
from catalog.plain_words import rule_words
from catalog.selectors.policy_preview import AT_MOST, PolicyPreview, PreviewedPrice, policy_preview

HEADERS = ("Product", "SKU", "Price now", "Would become", "Decided by", "How")


@dataclass(frozen=True)
class PreviewPanel:
    """One channel's preview, ready for the template."""

    title: str
    cards: Sequence[tuple[str, str, str]]
    by_rule: Rows
    rows_title: str
    headers: Sequence[str]
    rows: Rows
    examined: str

    @classmethod
    def of(cls, preview: PolicyPreview) -> "PreviewPanel":
        shown = len(preview.rows)
        return cls(
            title=f"Channel {preview.channel.name}",
            cards=(
                ("Listings in scope", number(preview.in_scope), _without_cost(preview)),
                ("Prices that would move", number(preview.moved), "because of this policy"),
                ("Of these, breaking a hard rule", number(preview.breaking), "the gate would refuse them as they are"),
                ("Outside today's limits already", number(preview.outside_already), "and moved just the same"),
                ("Set free", number(preview.released), "today's limits move them, this policy does not"),
            ),
            by_rule=[[rule_words(rule).capitalize(), number(n)] for rule, n in preview.moved_by_rule.most_common()],
            rows_title=f"Prices that would move: {number(shown)} of {number(preview.moved)}",
            headers=HEADERS,
            rows=[_row(each, preview.channel) for each in preview.rows],
            examined=""
            if preview.is_complete
            else f"Only the first {number(preview.examined)} of {number(preview.in_scope)} listings were looked at.",
        )


def preview_panels(policy: GuardrailPolicy) -> list[PreviewPanel]:
    """Return a panel for each channel where the policy applies; the channels share the listings that are looked at."""
    channels = [policy.channel] if policy.channel is not None else list(Channel.objects.all())
    now, share = timezone.now(), max(1, AT_MOST // max(1, len(channels)))
    previews = (policy_preview(policy=policy, channel=each, now=now, at_most=share) for each in channels)
    return [PreviewPanel.of(preview) for preview in previews if preview.in_scope]


def preview_context(form: forms.ModelForm) -> dict[str, Any]:
    """Return what the page shows for a submitted form: panels, or what to correct first."""
    if form.is_valid():
        return {"scope": scope_words(form.instance.scope), "panels": preview_panels(form.instance)}
    labels = {name: field.label or name.replace("_", " ") for name, field in form.fields.items()}
    errors = [[labels.get(name, "Policy"), " ".join(map(str, texts))] for name, texts in form.errors.items()]
    return {"errors": errors}


def _row(previewed: PreviewedPrice, channel: Channel) -> list[str]:
    product = previewed.listing.product
    steps = [f"{money(after, channel)} by {rule_words(rule)}" for rule, _, after in previewed.trail]
    return [
        product.name,
        product.sku,
        money(previewed.price, channel),
        money(previewed.allowed, channel),
        rule_words(previewed.rule).capitalize(),
        ", then ".join(steps),
    ]


def _without_cost(preview: PolicyPreview) -> str:
    return f"{number(preview.unpriced)} without a cost" if preview.unpriced else ""
