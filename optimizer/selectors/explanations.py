"""Why a listing has the price that it has."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalog.arms import answer_for
from catalog.models import Listing, PriceChange
from catalog.money import from_ticks
from catalog.selectors.listings import price_change_in_force
from catalog.selectors.served import served_records
from optimizer.group_replay import MOST_COMPARED, compared, replay_group
from optimizer.markdown_replay import MOST_STEPS, markdown_steps, replay_markdown
from optimizer.models import OptimizationRun, Recommendation
from optimizer.portfolio_replay import replay_portfolio, why_not
from optimizer.replay import ReplayResult, admissible_ticks, replay_price

MOST_REPLAYED = 100_000
"""Minor units of a band that one request goes through: a third of a second."""


@dataclass(frozen=True)
class Replay:
    """What replaying the recorded inputs gave; where it was not tried ``result`` is None and the note says why."""

    result: ReplayResult | None
    exponent: int
    note: str = ""

    @property
    def price(self) -> Decimal | None:
        if self.result is None or self.result.price_ticks is None:
            return None
        return from_ticks(self.result.price_ticks, self.exponent)


def explanation_of(*, listing: Listing, now: datetime, region: str | None = None) -> dict[str, Any]:
    """Return the price in force with its inputs, clamps, expectation and the price that replaying them gives.

    ``served`` is what the storefront is answered at ``now`` for ``region``: with an experiment's arm where one is
    drawn, and the fields that the law asks for; None for a product that is not sold. Where the newest run found the
    price in force best, or could not price the SKU, it stands under ``latest_run``.
    """
    change = price_change_in_force(listing=listing)
    newest = newest_recommendation(listing=listing)
    channel, sku = listing.channel.code, listing.product.sku
    record = served_records(channel=channel, skus=[sku]).get(sku)
    return {
        "served": answer_for(record, region=region, unix_time=now.timestamp()) if record else None,
        "arms": record["experiment"]["arms"] if record and record["experiment"] else [],
        "change": change,
        "replay": _replay(change, listing.channel.currency_exponent) if change else None,
        "latest_run": newest if newest and (change is None or newest.run_id != change.run_id) else None,
    }


def newest_recommendation(*, listing: Listing) -> Recommendation | None:
    finished = OptimizationRun.objects.filter(channel=listing.channel, finished_at__isnull=False, publishes=True)
    run = finished.order_by("-created_at").first()
    return Recommendation.objects.filter(run=run, listing=listing).select_related("run").first() if run else None


def _replay(change: PriceChange, exponent: int) -> Replay | None:
    """Work the price out again from the recorded inputs alone; None where nothing was computed: see ``checked``."""
    recorded = change.explanation.get("replay")
    if not recorded:
        return None
    if "portfolio" in recorded:
        return _replay_portfolio(recorded, exponent)
    if "group" in recorded:
        return _replay_group(recorded, exponent)
    if "markdown" in recorded:
        return _replay_markdown(recorded, exponent)
    ticks = admissible_ticks(recorded)
    if ticks > MOST_REPLAYED:
        return Replay(None, exponent, f"{ticks:,} prices are too many to go through for one request.")
    return Replay(replay_price(recorded), exponent)


def _replay_group(recorded: dict[str, Any], exponent: int) -> Replay:
    pairs = compared(recorded)
    if pairs is None:
        return Replay(
            None, exponent, f"The price was decided with {recorded['group']['size']} others: too many to record."
        )
    if pairs > MOST_COMPARED:
        return Replay(None, exponent, f"{pairs:,} pairs of related prices are too many to go through for one request.")
    return Replay(replay_group(recorded), exponent)


def _replay_portfolio(recorded: dict[str, Any], exponent: int) -> Replay:
    if reason := why_not(recorded):
        return Replay(None, exponent, reason)
    return Replay(replay_portfolio(recorded), exponent)


def _replay_markdown(recorded: dict[str, Any], exponent: int) -> Replay:
    steps = markdown_steps(recorded)
    if steps > MOST_STEPS:
        return Replay(None, exponent, f"{steps:,} choices until the plan's end are too many to make for one request.")
    return Replay(replay_markdown(recorded), exponent)
