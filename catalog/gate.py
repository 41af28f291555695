"""The publish gate: the one way by which a price comes into force.

Whoever decided a price (optimiser, bandit, experiment, person, import) hands it over as a proposal. The gate never
changes a price: it publishes it or refuses it by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction

from catalog.group_check import check_groups
from catalog.guardrails import (
    HARD_RULES,
    MISSING,
    STEP_RULES,
    Rule,
    hard_floor_ticks,
    int_column,
    loss_floor_ticks,
    step_violations_batch,
    violations_batch,
)
from catalog.lookups import id_array
from catalog.models import Channel, Listing, PriceChange
from catalog.models.listing import HELD_SOURCES, PriceSource
from catalog.money import from_ticks, to_ticks
from catalog.selectors.listing_rows import ListingRow, listing_rows
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts
from catalog.services.append_to_ledger import LedgerRow, append_to_ledger
from catalog.services.kill_check import check_switches_at_commit, killed_listings
from catalog.services.measured import measured_listings
from catalog.services.parking import NEEDS_APPROVAL, park_risky_prices, risks_of, supersede_waiting
from catalog.services.rollback_check import REFUSAL as ROLLED_BACK
from catalog.services.rollback_check import is_rolled_back
from catalog.services.served_records import serve_revisions


@dataclass(frozen=True)
class Proposal:
    """A price that somebody decided for a listing.

    ``expected_version`` is the price version that the decision was based on: if another price came into force
    meanwhile, the proposal is refused. None, for a person's price, publishes whatever is in force.
    """

    listing_id: int
    price: Decimal
    idempotency_key: str
    expected_version: int | None = None
    binding_rule: str = ""
    explanation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishReport:
    """What the gate did with each proposal, by listing id.

    ``broken_relations`` names the family or ladder that a published price leaves broken.
    """

    published: list[int]
    unchanged: list[int]
    already_published: list[int]
    refused: dict[int, str]
    broken_relations: dict[int, str] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)

    def and_also(self, other: "PublishReport") -> "PublishReport":
        """Return the report of both, which are of different listings."""
        return PublishReport(
            published=self.published + other.published,
            unchanged=self.unchanged + other.unchanged,
            already_published=self.already_published + other.already_published,
            refused=self.refused | other.refused,
            broken_relations=self.broken_relations | other.broken_relations,
            waiting=self.waiting + other.waiting,
        )


LOCK_SQL = """
SELECT count(*) FROM (SELECT FROM catalog_listing WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE) locked
"""


def lock_listings(*, listing_ids: Sequence[int]) -> None:
    """Lock listings in primary-key order, for a transaction that will publish them in several calls."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_SQL, [id_array(listing_ids)])


def publish_prices(
    *,
    channel: Channel,
    proposals: Sequence[Proposal],
    source: PriceSource,
    now: datetime,
    author: User | None = None,
    run_id: UUID | None = None,
    reason: str = "",
    approved_by: User | None = None,
    is_return: bool = False,
) -> PublishReport:
    """Check proposals against the current facts and bring those that pass into force, in one transaction.

    Locks the listings in primary-key order. A proposal whose idempotency key is in the ledger is not published again.
    Refusals: the broken hard rule (``loss_floor``, ``min_margin``, ``map``, ``floor``, ``ceiling``; of a price that a
    person set only the first); for an automatic price also ``missing_cost``, the steps (``changes_per_day``,
    ``max_change``, ``max_change_per_day``; not where a hard rule forces the move), ``family``, ``size_ladder`` and
    ``quality_ladder`` where it would break the relation of related prices, ``overridden`` where a person's price is in
    force, ``markdown_running`` where a markdown plan sets the price, ``held_out`` and ``in_experiment`` where what
    prices do is measured, and ``kill_switch``; for every price ``price_changed_meanwhile``, ``not_a_minor_unit``,
    ``inactive`` and ``unknown_listing``, and ``rolled_back`` where the run was. From the commit on the new prices are
    served. The commit fails with an IntegrityError, and nothing is published, where a kill switch was flipped meanwhile
    that covers one of the prices.

    A price above its approval policy waits for a second person instead (``waiting``), unless ``approved_by`` names one;
    proposed again after that person said no, it is refused as ``not_approved``. ``is_return``: the price goes back to
    what was in force before, which waits for nobody.

    Raises:
        ValueError: two proposals for one listing, or an automatic price that does not say which version it knew.
    """
    by_listing = _by_listing(proposals, source)
    with transaction.atomic():
        if run_id is not None and is_rolled_back(run_id):
            return PublishReport([], [], [], dict.fromkeys(by_listing, ROLLED_BACK))
        lock_listings(listing_ids=list(by_listing))
        facts = _facts(channel, by_listing, now)
        already = _already_published(proposals)
        refused = _refusals(facts, by_listing, source)
        refused |= {pk: "unknown_listing" for pk in by_listing.keys() - {row.pk for row in facts.listings}}
        passing = {pk: each.price for pk, each in by_listing.items() if pk not in refused.keys() | already}
        groups = check_groups(channel=channel, listings=facts.listings, prices=passing, source=source)
        refused |= groups.refused
        unchanged = (
            {row.pk for row in facts.listings if _in_force_already(row, by_listing[row.pk], source)}
            - refused.keys()
            - already
        )
        skipped = refused.keys() | already | unchanged
        waiting: list[int] = []
        if approved_by is None and not is_return:
            parked = park_risky_prices(
                channel=channel,
                listings=[row for row in facts.listings if row.pk not in skipped],
                proposals=by_listing,
                source=source,
                now=now,
                author=author,
                run_id=run_id,
                reason=reason,
            )
            waiting, refused = parked.waiting, refused | parked.refused
            skipped |= parked.refused.keys() | set(waiting)
        decided = _Decided(
            source=source.value,
            run_id=run_id,
            reason=reason,
            author_id=None if author is None else author.pk,
            approved_by_id=None if approved_by is None else approved_by.pk,
            now=now,
            checked=_checks(source, now),
        )
        changes = [
            _change(row, by_listing[row.pk], floor, decided)
            for row, floor in zip(facts.listings, _floors(facts, source), strict=True)
            if row.pk not in skipped
        ]
        revisions = append_to_ledger(channel=channel, changes=changes, now=now)
        if source.is_automatic:
            decisions = [
                (row, _deciders(by_listing[row.pk], source)) for row in facts.listings if row.pk not in skipped
            ]
            check_switches_at_commit(channel_id=channel.pk, decisions=decisions)
        published = [change.listing_id for change in changes]
        supersede_waiting(listing_ids=published, now=now)
        serve_revisions(channel=channel.code, revisions=revisions)
    return PublishReport(
        published=published,
        unchanged=sorted(unchanged),
        already_published=sorted(already),
        refused={pk: why for pk, why in refused.items() if pk not in already},
        broken_relations=groups.broken,
        waiting=waiting,
    )


@dataclass(frozen=True)
class CheckedPrices:
    """Why prices would be refused, and the hard floor of each listing, by listing id."""

    refused: dict[int, str]
    floors: dict[int, Decimal | None]


def checked_prices(
    *,
    channel: Channel,
    prices: Mapping[int, Decimal],
    source: PriceSource,
    now: datetime,
    is_approved: bool = False,
) -> CheckedPrices:
    """Check prices as `publish_prices` does, and publish nothing: for prices that will be served beside one in force.

    Automatic prices keep the relations of related products, all of these prices together. Call it with the listings
    locked, in the transaction that stores the prices.
    """
    facts = _facts(channel, prices, now)
    proposals = {pk: Proposal(pk, price, idempotency_key="") for pk, price in prices.items()}
    floors = {row.pk: floor for row, floor in zip(facts.listings, _floors(facts, source), strict=True)}
    # An arm cannot wait for a second person: it is not tried, unless that person is the one who starts it.
    risky = {} if is_approved else risks_of(channel=channel, listings=facts.listings, prices=proposals, source=source)
    refused = dict.fromkeys(risky, NEEDS_APPROVAL) | _refusals(facts, proposals, source, is_beside=True)
    if source.is_automatic:
        passing = {pk: price for pk, price in prices.items() if pk not in refused}
        refused |= check_groups(channel=channel, listings=facts.listings, prices=passing, source=source).refused
    return CheckedPrices(refused, floors)


def _by_listing(proposals: Sequence[Proposal], source: PriceSource) -> dict[int, Proposal]:
    by_listing = {proposal.listing_id: proposal for proposal in proposals}
    if len(by_listing) != len(proposals):
        raise ValueError("two proposals for one listing: decide on one before publishing")
    if source.is_automatic and any(proposal.expected_version is None for proposal in proposals):
        # The largest step was checked against that version's price; against another it would mean nothing.
        raise ValueError("an automatic price must say which version of the price it was decided on: expected_version")
    return by_listing


def _facts(channel: Channel, listing_ids: Iterable[int], now: datetime) -> PricingFacts[ListingRow]:
    listings = Listing.objects.filter(pk__any_of=listing_ids, channel=channel).order_by("pk")
    return pricing_facts(channel=channel, listings=listing_rows(listings), now=now)


class _Decided(NamedTuple):
    """What the ledger says of all prices of one call."""

    source: str
    run_id: UUID | None
    reason: str
    author_id: int | None
    approved_by_id: int | None
    now: datetime
    checked: dict[str, Any]


def _change(row: ListingRow, proposal: Proposal, floor: Decimal | None, decided: _Decided) -> LedgerRow:
    now = decided.now
    return LedgerRow(
        listing_id=row.pk,
        version=row.price_version + 1,
        price=proposal.price,
        previous_price=_price_before(row, decided.source),
        floor=floor,
        # A caller that waited for the lock may know an earlier time: history never runs backwards.
        valid_from=max(now, row.price_since or now),
        source=decided.source,
        idempotency_key=proposal.idempotency_key,
        binding_rule=proposal.binding_rule,
        explanation=proposal.explanation | {"checked": decided.checked | {"unit_cost": _cost_known(row)}},
        run_id=decided.run_id,
        reason=decided.reason,
        author_id=decided.author_id,
        approved_by_id=decided.approved_by_id,
    )


def _checks(source: PriceSource, now: datetime) -> dict[str, Any]:
    """Return what the gate looked at, and when: the ledger explains a person's price as well."""
    return {"at": now.isoformat(), "rules": [rule.label for rule in _rules_for(source)]}


def _cost_known(row: ListingRow) -> dict[str, Any]:
    """Return the cost that the gate knew when it let a price pass."""
    return {
        "value": None if row.unit_cost is None else f"{row.unit_cost.normalize():f}",
        "at": None if row.unit_cost_at is None else row.unit_cost_at.isoformat(),
        "assumed": row.unit_cost_assumed,
    }


def _rules_for(source: PriceSource) -> tuple[Rule, ...]:
    if source.is_personal:
        return (Rule.LOSS_FLOOR,)
    return HARD_RULES + STEP_RULES if source.is_automatic else HARD_RULES


def _in_force_already(row: ListingRow, proposal: Proposal, source: PriceSource) -> bool:
    """Tell whether nothing would change: neither the price nor whether a person holds it against automatic ones."""
    return row.price == proposal.price and (row.price_source in HELD_SOURCES) == (source in HELD_SOURCES)


def _price_before(row: ListingRow, source: str) -> Decimal | None:
    """Return the price that was in force; before anything was published that is the list price, or nothing at all."""
    if row.price is None and source == PriceSource.LIST_PRICE:
        return None
    return row.price_in_force


def _already_published(proposals: Sequence[Proposal]) -> set[int]:
    keys = {proposal.idempotency_key for proposal in proposals}
    found = PriceChange.objects.filter(
        idempotency_key__in=keys, listing_id__any_of=[proposal.listing_id for proposal in proposals]
    ).values_list("listing_id", "idempotency_key")
    decided = {(proposal.listing_id, proposal.idempotency_key) for proposal in proposals}
    return {listing for listing, key in found if (listing, key) in decided}


def _refusals(
    facts: PricingFacts[ListingRow], proposals: dict[int, Proposal], source: PriceSource, *, is_beside: bool = False
) -> dict[int, str]:
    exponent = facts.channel.currency_exponent
    prices = int_column([to_ticks(proposals[row.pk].price, exponent) for row in facts.listings])
    broken = violations_batch(prices, facts.limits, facts.facts)
    rules = _rules_for(source)
    if source.is_automatic:
        broken |= step_violations_batch(prices, facts.limits, facts.facts)
    reasons = (
        _refusal(row, proposals[row.pk], exponent, source)
        or ("missing_cost" if source.is_automatic and broken[Rule.UNPRICED][index] else None)
        or next((rule.label for rule in rules if broken[rule][index]), None)
        for index, row in enumerate(facts.listings)
    )
    refused = {row.pk: reason for row, reason in zip(facts.listings, reasons, strict=True) if reason}
    if not source.is_automatic:
        return refused
    decisions = ((row, _deciders(proposals[row.pk], source)) for row in facts.listings)
    refused = measured_listings(listing_ids=[row.pk for row in facts.listings], is_beside=is_beside) | refused
    return refused | killed_listings(channel_id=facts.channel.pk, decisions=decisions)


def _deciders(proposal: Proposal, source: PriceSource) -> tuple[str, ...]:
    """Return what a kill switch may name to stop this proposal: who decided, and with which model."""
    return (source.value, str(proposal.explanation.get("model") or ""))


def _refusal(row: ListingRow, proposal: Proposal, exponent: int, source: PriceSource) -> str | None:
    """Return why a proposal does not even reach the guardrails."""
    if not row.product.is_active:
        return "inactive"
    if proposal.expected_version is not None and proposal.expected_version != row.price_version:
        return "price_changed_meanwhile"
    if source.is_automatic and row.price_source in HELD_SOURCES:
        return "overridden"
    if source.is_automatic and source != PriceSource.MARKDOWN and row.markdown_until is not None:
        return "markdown_running"
    if from_ticks(to_ticks(proposal.price, exponent), exponent) != proposal.price:
        return "not_a_minor_unit"
    return None


def _floors(facts: PricingFacts[ListingRow], source: PriceSource) -> list[Decimal | None]:
    """Return the floor that the ledger row stores and the database enforces; None where the cost is unknown."""
    cost = facts.facts.cost_units
    if not source.is_personal:
        floor = hard_floor_ticks(facts.limits, facts.facts)
    else:
        floor = np.where(cost > 0, loss_floor_ticks(np.maximum(cost, 0)), MISSING)
    exponent = facts.channel.currency_exponent
    return [None if ticks == MISSING else from_ticks(ticks, exponent) for ticks in floor.tolist()]
