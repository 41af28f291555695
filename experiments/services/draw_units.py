"""Draw who gets which arm: what the planner shows is what the start does, as both follow from the experiment's salt."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.arms import SHARES
from catalog.models import ServedExperiment
from catalog.models.listing import PriceSource
from catalog.money import from_ticks, to_ticks
from catalog.selectors.approval_policies import ApprovalBook
from catalog.services.arms import Arm, check_arms
from catalog.services.parking import NEEDS_APPROVAL
from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.listing_history import ListingHistory, listing_history
from experiments.selectors.plan_listings import PlanListings, plan_listings
from experiments.stats.designs.blocks import arms_in_blocks
from experiments.stats.designs.clusters import draw_clusters
from experiments.stats.designs.hashing import Floats, Ints, hashed_arms
from experiments.stats.designs.matched_pairs import matched_sets
from experiments.stats.designs.strata import quantile_strata

Design = PriceExperiment.Design
Matching = PriceExperiment.Matching

UNIT_OF: Final = {
    Design.SKU: ServedExperiment.Unit.SKU,
    Design.CATEGORY: ServedExperiment.Unit.SKU,
    Design.REGION: ServedExperiment.Unit.REGION,
    Design.SWITCHBACK: ServedExperiment.Unit.TIME_SLOT,
}
MATCH_DAYS: Final = 28
BY_LISTING: Final = frozenset({Design.SKU, Design.CATEGORY})

NO_CHANGE = "no_change"
PARTNER = "partner_refused"
LEFT_OVER = "left_over"


@dataclass(frozen=True)
class Draw:
    """Who takes part: ``arms`` by listing is -1 where region or slot decides.

    ``covariates`` (listing, 3) are what pairs are matched by; ``before`` (listing,) is the metric a day before the
    start. ``refused`` are the SKUs that are not tried, by reason; ``for_second_person`` how many listings have a price
    above their approval policy.
    """

    listings: PlanListings
    arms: Ints
    blocks: Ints
    clusters: Ints
    covariates: Floats
    before: Floats
    prices: Sequence[Sequence[Decimal]]
    refused: Mapping[str, Sequence[str]]
    for_second_person: int
    history: ListingHistory

    def served_arms(self, arms: Sequence[ExperimentArm]) -> dict[int, list[Arm]]:
        """Return what each listing is served: its own arm's price, or all arms where region or slot decides."""
        return {
            row.pk: _served(arms, prices, arm)
            for row, prices, arm in zip(self.listings.rows, self.prices, self.arms.tolist(), strict=True)
        }


@dataclass(frozen=True)
class _Gate:
    """Asks the publish gate what it would say of arms."""

    experiment: PriceExperiment
    now: datetime
    is_preview: bool

    def refused(self, served: Mapping[int, Sequence[Arm]], *, is_approved: bool) -> dict[int, str]:
        # Each arm's prices are looked at side by side: SKUs are drawn here, and have one price each by then.
        slot = self.experiment.design == Design.SWITCHBACK
        checked = check_arms(
            channel=self.experiment.channel,
            experiment=self.experiment.code,
            unit=ServedExperiment.Unit.TIME_SLOT if slot else ServedExperiment.Unit.REGION,
            arms=served,
            now=self.now,
            slot_seconds=self.experiment.slot_seconds,
            is_approved=is_approved,
            is_preview=self.is_preview,
        )
        return checked.refused


def draw_units(
    *, experiment: PriceExperiment, arms: Sequence[ExperimentArm], now: datetime, is_preview: bool = False
) -> Draw:
    """Draw arms for the listings whose every arm the gate would let pass today; ``arms`` in their order.

    Locks the listings, but for a preview. A listing that fails on its own leaves before the draw, which so stays fair.
    A price that fails beside the others' drawn prices, as in a family, leaves after it; of matched pairs the partner
    leaves too.

    Raises:
        ValueError: a design that cannot be drawn: fewer categories than arms.
    """
    listings = plan_listings(experiment)
    refused: dict[str, list[str]] = defaultdict(list)
    prices = [_arm_prices(row.price_in_force, arms, experiment) for row in listings.rows]
    gate = _Gate(experiment, now, is_preview)
    alone = _refused_alone(gate, arms, listings, prices)
    for row in listings.rows:
        if row.pk in alone:
            refused[alone[row.pk]].append(row.sku)
    kept = np.array([row.pk not in alone for row in listings.rows], dtype=bool)
    listings, prices = listings.of(kept), [each for each, stays in zip(prices, kept.tolist(), strict=True) if stays]
    second = _for_second_person(gate, arms, listings, prices)
    history = listing_history(
        channel=experiment.channel, listing_ids=listings.ids, metric=experiment.metric, before=now.date()
    )
    draw = _drawn(experiment, arms, listings, prices, history, second)
    if experiment.design in BY_LISTING:
        draw = _together(gate, arms, draw, refused)
    return replace(draw, refused=dict(refused))


def _drawn(
    experiment: PriceExperiment,
    arms: Sequence[ExperimentArm],
    listings: PlanListings,
    prices: Sequence[Sequence[Decimal]],
    history: ListingHistory,
    second: int,
) -> Draw:
    before = history.daily_means(experiment.cuped_days or MATCH_DAYS)
    covariates = _covariates(listings, history)
    arm, block, cluster = _design(experiment, [each.share for each in arms], listings, covariates, before)
    return Draw(listings, arm, block, cluster, covariates, before, prices, {}, second, history)


def _design(
    experiment: PriceExperiment, shares: Sequence[int], listings: PlanListings, covariates: Floats, before: Floats
) -> tuple[Ints, Ints, Ints]:
    """Return each listing's arm, block and cluster."""
    ids = np.array(listings.ids, dtype=np.int64)
    none = np.zeros(len(listings), dtype=np.int64)
    if experiment.design not in BY_LISTING or not len(listings):
        return none - 1, none, ids
    if experiment.design == Design.CATEGORY:
        drawn = draw_clusters(experiment.salt, listings.category_codes, before, shares)
        return drawn.arms, drawn.blocks, listings.categories.clip(min=0)
    names = [f"{experiment.channel.code}:{sku}" for sku in listings.skus]
    if experiment.matching == Matching.NONE:
        return hashed_arms(experiment.salt, names, shares), none, ids
    if experiment.matching == Matching.PAIRS:
        block = matched_sets(covariates, size=len(shares))
    else:
        block = quantile_strata(before, within=listings.categories)
    return arms_in_blocks(experiment.salt, names, block, shares), block, ids


def _covariates(listings: PlanListings, history: ListingHistory) -> Floats:
    """Return what foretells the metric: its level, its trend, the price; logarithms, as sizes differ by magnitudes."""
    late, early = history.daily_means(MATCH_DAYS), history.daily_means(MATCH_DAYS, ago=MATCH_DAYS)
    price = np.array([float(row.price_in_force) for row in listings.rows])
    level = np.log1p(late.clip(min=0))
    return np.c_[level, level - np.log1p(early.clip(min=0)), np.log(price)]


def _together(gate: _Gate, arms: Sequence[ExperimentArm], draw: Draw, refused: dict[str, list[str]]) -> Draw:
    """Take out what is left over, what the gate refuses beside the others' drawn prices, and those ones' partners."""
    stays = draw.arms >= 0
    refused[LEFT_OVER] += [row.sku for row, kept in zip(draw.listings.rows, stays.tolist(), strict=True) if not kept]
    pairs = gate.experiment.design == Design.SKU and gate.experiment.matching == Matching.PAIRS
    while True:
        draw = _of(draw, stays)
        reasons = gate.refused(draw.served_arms(arms), is_approved=True)
        if not reasons:
            return draw
        out = np.array([row.pk in reasons for row in draw.listings.rows], dtype=bool)
        leaves = np.isin(draw.blocks, draw.blocks[out]) if pairs else out
        for row, leaving in zip(draw.listings.rows, leaves.tolist(), strict=True):
            if leaving:
                refused[reasons.get(row.pk, PARTNER)].append(row.sku)
        stays = ~leaves


def _of(draw: Draw, stays: NDArray[np.bool_]) -> Draw:
    listings = draw.listings.of(stays)
    return replace(
        draw,
        listings=listings,
        arms=draw.arms[stays],
        blocks=draw.blocks[stays],
        clusters=draw.clusters[stays],
        covariates=draw.covariates[stays],
        before=draw.before[stays],
        prices=[each for each, kept in zip(draw.prices, stays.tolist(), strict=True) if kept],
        history=replace(draw.history, listing_ids=listings.ids),
    )


def _refused_alone(
    gate: _Gate, arms: Sequence[ExperimentArm], listings: PlanListings, prices: Sequence[Sequence[Decimal]]
) -> dict[int, str]:
    same = {
        row.pk: NO_CHANGE
        for row, each in zip(listings.rows, prices, strict=True)
        if any(arm.price_change and price == each[0] for arm, price in zip(arms, each, strict=True))
    }
    served = _all_arms(arms, listings, prices, same)
    return same | gate.refused(served, is_approved=True)


def _for_second_person(
    gate: _Gate, arms: Sequence[ExperimentArm], listings: PlanListings, prices: Sequence[Sequence[Decimal]]
) -> int:
    """Return how many listings have a price above their approval policy."""
    if ApprovalBook.read(channel=gate.experiment.channel, source=PriceSource.EXPERIMENT).is_empty:
        return 0
    reasons = gate.refused(_all_arms(arms, listings, prices, {}), is_approved=False)
    return sum(reason == NEEDS_APPROVAL for reason in reasons.values())


def _all_arms(
    arms: Sequence[ExperimentArm],
    listings: PlanListings,
    prices: Sequence[Sequence[Decimal]],
    without: Mapping[int, str],
) -> dict[int, list[Arm]]:
    return {
        row.pk: _served(arms, each, -1)
        for row, each in zip(listings.rows, prices, strict=True)
        if row.pk not in without
    }


def _arm_prices(base: Decimal, arms: Sequence[ExperimentArm], experiment: PriceExperiment) -> list[Decimal]:
    exponent = experiment.channel.currency_exponent
    return [
        base
        if not arm.price_change
        else from_ticks(max(to_ticks(base * (1 + arm.price_change), exponent), 1), exponent)
        for arm in arms
    ]


def _served(arms: Sequence[ExperimentArm], prices: Sequence[Decimal], arm: int) -> list[Arm]:
    if arm >= 0:
        return [Arm(arms[arm].name, SHARES, prices[arm])]
    return [Arm(each.name, each.share, price) for each, price in zip(arms, prices, strict=True)]
