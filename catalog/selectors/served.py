"""Served records as the database knows them: what Redis is filled from and what stands in for it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, FilteredRelation, Q, QuerySet
from django.utils import timezone

from catalog.cached_values import CachedValue, price_name
from catalog.models import Listing, ServedExperiment
from catalog.models.listing import HELD_SOURCES, PriceSource, assumed_facts
from catalog.money import amount_text
from catalog.price_cache import ServedRecord, record_value
from catalog.price_law import DISCLOSURE, CountryRule, Judgement, PriceBeside, judge_price
from catalog.reading import read_rows
from catalog.selectors.kill_switches import SwitchesOn, switches_on
from catalog.selectors.price_laws import AppliedPrices, applied_prices, price_laws, prices_beside

COLUMNS = {
    "sku": "product__sku",
    "category_id": "product__category_id",
    "channel": "channel__code",
    "currency": "channel__currency",
    "currency_exponent": "channel__currency_exponent",
    "country": "channel__country",
    "change_id": "change__id",
    "binding_rule": "change__binding_rule",
    "personalised": "change__personalised",
}


def served_records(*, channel: str, skus: Sequence[str]) -> dict[str, ServedRecord]:
    """Return the record of each active SKU of the channel, by SKU."""
    listings = Listing.objects.filter(channel__code=channel, product__sku__any_of=skus, product__is_active=True)
    return {record["sku"]: record for _, record in _records(listings, timezone.now())}


def served_values(*, channel: str, skus: Sequence[str]) -> dict[bytes, CachedValue]:
    """Return what is to be cached for each of these names; for a SKU that is not sold, that it is not."""
    values = {price_name(channel, sku): record_value(None, revision=0) for sku in skus}
    known = Listing.objects.filter(channel__code=channel, product__sku__any_of=skus)
    for sku, revision in known.filter(product__is_active=False).values_list("product__sku", "served_revision"):
        values[price_name(channel, sku)] = record_value(None, revision=revision)
    for revision, record in _records(known.filter(product__is_active=True), timezone.now()):
        values[price_name(channel, record["sku"])] = record_value(record, revision=revision)
    return values


def served_records_after(*, channel: str, after_pk: int, limit: int) -> tuple[dict[bytes, CachedValue], int | None]:
    """Return the next ``limit`` values in primary-key order and the key to go on after; None when done."""
    keys = list(
        Listing.objects.filter(channel__code=channel, product__is_active=True, pk__gt=after_pk)
        .order_by("pk")
        .values_list("pk", flat=True)[:limit]
    )
    if not keys:
        return {}, None
    records = _records(Listing.objects.filter(pk__any_of=keys), timezone.now())
    values = {
        price_name(channel, record["sku"]): record_value(record, revision=revision) for revision, record in records
    }
    return values, keys[-1]


class ServedRow(NamedTuple):
    """What a record is made of, with the ledger row of the price in force."""

    pk: int
    served_revision: int
    sku: str
    category_id: int | None
    channel_id: int
    channel: str
    currency: str
    currency_exponent: int
    country: str
    list_price: Decimal
    price: Decimal | None
    price_version: int
    price_source: str
    price_since: datetime | None
    unit_cost_assumed: bool
    inventory_assumed: bool
    change_id: int | None
    binding_rule: str | None
    personalised: bool | None

    @property
    def price_in_force(self) -> Decimal:
        return self.list_price if self.price is None else self.price

    @property
    def assumed_facts(self) -> list[str]:
        return assumed_facts(unit_cost=self.unit_cost_assumed, inventory=self.inventory_assumed)


def _records(listings: QuerySet[Listing], now: datetime) -> list[tuple[int, ServedRecord]]:
    """Return records with their revisions, all of one snapshot of each table: the revision is read first."""
    rows = _rows(listings)
    keys = [row.pk for row in rows]
    laws = price_laws(row.country for row in rows)
    histories = applied_prices(listing_ids=keys, rules=laws.values())
    beside = prices_beside(listing_ids=keys)
    # Read last: a switch may be seen with a revision from before it, never the other way round.
    experiments = _not_switched_off(rows, _running_experiments(keys), switches_on())
    return [
        (
            row.served_revision,
            _record(
                row,
                _judgement(row, histories.get(row.pk), beside.get(row.pk, ()), laws[row.country], now),
                experiments.get(row.pk),
            ),
        )
        for row in rows
    ]


def _judgement(
    row: ServedRow, published: AppliedPrices | None, beside: Sequence[PriceBeside], rule: CountryRule, now: datetime
) -> Judgement:
    history = published if row.price_version else None
    return judge_price(
        history.up_to(row.price_version) if history else [],
        at=max(now, row.price_since or now),
        rule=rule,
        price_before=history.price_before if history else row.list_price,
        beside=beside,
    )


def _running_experiments(listing_ids: Sequence[int]) -> dict[int, ServedExperiment]:
    running = ServedExperiment.objects.filter(listing_id__any_of=listing_ids, ended_at=None).prefetch_related("arms")
    return {experiment.listing_id: experiment for experiment in running}


def _not_switched_off(
    rows: Iterable[ServedRow], experiments: dict[int, ServedExperiment], switches: SwitchesOn
) -> dict[int, ServedExperiment]:
    """Leave out experiments under a kill switch: the price in force is served there."""
    if not (switches and experiments):
        return experiments
    covered = {
        row.pk
        for row in rows
        if row.pk in experiments
        and switches.covers(
            channel_id=row.channel_id,
            category_id=row.category_id,
            models=(PriceSource.EXPERIMENT.value, experiments[row.pk].experiment),
        )
    }
    return {pk: experiment for pk, experiment in experiments.items() if pk not in covered}


def _rows(listings: QuerySet[Listing]) -> list[ServedRow]:
    change = FilteredRelation("price_changes", condition=Q(price_changes__version=F("price_version")))
    return read_rows(listings.annotate(change=change).order_by("pk"), ServedRow, COLUMNS)


def _record(row: ServedRow, law: Judgement, experiment: ServedExperiment | None) -> ServedRecord:
    exponent = row.currency_exponent
    # A person's price is meant for everybody: no arm is served beside it.
    served_through = None if row.price_source in HELD_SOURCES else experiment
    return {
        "sku": row.sku,
        "channel": row.channel,
        "price": amount_text(row.price_in_force, exponent),
        "currency": row.currency,
        "list_price": amount_text(row.list_price, exponent),
        "version": row.price_version,
        "source": row.price_source or PriceSource.LIST_PRICE.value,
        "binding_rule": row.binding_rule or None,
        "decision_id": str(row.change_id) if row.change_id else None,
        "prior_price": amount_text(law.prior_price, exponent),
        "prior_price_window": _window(law),
        "reduction_may_be_announced": law.reduction_may_be_announced,
        "reduction_percent": law.announced_percent,
        "personalised": bool(row.personalised),
        "disclosure": DISCLOSURE if row.personalised else None,
        "assumed": row.assumed_facts,
        "experiment": _experiment(served_through, exponent) if served_through else None,
        "prior_price_until": int(law.holds_until.timestamp()) if law.holds_until else None,
    }


def _window(law: Judgement) -> dict[str, str] | None:
    """Return the window before the reduction that is running; of a price that is not reduced it moves on every day."""
    if not law.is_reduced:
        return None
    return {"start": _moment_text(law.window_opens), "end": _moment_text(law.window_closes)}


def _moment_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _experiment(experiment: ServedExperiment, exponent: int) -> dict[str, Any]:
    return {
        "code": experiment.experiment,
        "salt": experiment.salt,
        "unit": experiment.unit,
        "slot_seconds": experiment.slot_seconds,
        "arms": [
            {"arm": arm.arm, "share": arm.share, "price": amount_text(arm.price, exponent)}
            for arm in sorted(experiment.arms.all(), key=lambda arm: arm.pk)
        ],
    }
