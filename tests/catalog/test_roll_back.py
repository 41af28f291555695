import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from catalog.gate import Proposal, publish_prices
from catalog.models import Listing, PriceChange, RolledBackPrice, RunRollback
from catalog.models.listing import PriceSource
from catalog.selectors.rollbacks import rollback_preview
from catalog.services import roll_back
from catalog.services.roll_back import CannotRollBack, roll_back_run
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


def published_by_run(prices: dict[Listing, str]) -> uuid.UUID:
    run_id = uuid.uuid4()
    publish_prices(
        channel=next(iter(prices)).channel,
        proposals=[
            Proposal(row.pk, Decimal(price), f"run:{run_id}", expected_version=row.price_version)
            for row, price in prices.items()
        ],
        source=PriceSource.OPTIMIZER,
        now=timezone.now(),
        run_id=run_id,
    )
    for listing in prices:
        listing.refresh_from_db()
    return run_id


def rolled_back(run_id: uuid.UUID, **fields) -> RunRollback:
    defaults = {"author": None, "reason": "the costs were wrong", "now": timezone.now()}
    return roll_back_run(run_id=run_id, **defaults | fields)


def outcomes() -> dict[int, tuple[str, str]]:
    return {row.listing_id: (row.outcome, row.reason) for row in RolledBackPrice.objects.all()}


def test_every_price_of_the_run_that_is_in_force_makes_way_for_the_one_before():
    first_time, before = make_listing(), make_listing()
    publish(before, "11.00")
    run_id = published_by_run({first_time: "12.00", before: "12.50"})
    boss = User.objects.create_user("boss")
    rollback = rolled_back(run_id, author=boss)
    assert (rollback.restored, rollback.changed_since, rollback.refused) == (2, 0, 0)
    for listing, price, version in ((first_time, "10.00", 2), (before, "11.00", 3)):
        listing.refresh_from_db()
        assert (listing.price, listing.price_version, listing.price_source) == (Decimal(price), version, "rollback")
        row = PriceChange.objects.get(listing=listing, version=version)
        assert (row.author, row.reason, row.run_id) == (boss, "the costs were wrong", None)
        assert row.explanation["rollback"]["run_id"] == str(run_id)
    old = PriceChange.objects.get(listing=before, version=1)
    new = PriceChange.objects.get(listing=before, version=3)
    assert old.price.as_tuple() == new.price.as_tuple()


def test_rows_that_changed_since_are_left_and_listed():
    changed, overridden, still = make_listing(), make_listing(), make_listing()
    run_id = published_by_run({changed: "12.00", overridden: "12.00", still: "12.00"})
    publish(changed, "11.50")
    publish(overridden, "9.00", source=PriceSource.OVERRIDE)
    rollback = rolled_back(run_id)
    assert (rollback.restored, rollback.changed_since, rollback.refused) == (1, 2, 0)
    assert outcomes() == {
        changed.pk: ("changed_since", ""), overridden.pk: ("changed_since", ""), still.pk: ("restored", ""),
    }  # fmt: skip
    changed.refresh_from_db()
    assert changed.price == Decimal("11.50")


def test_a_prior_price_that_would_break_a_hard_rule_now_is_refused_by_name():
    risen, other = make_listing(), make_listing()
    run_id = published_by_run({risen: "12.00", other: "12.00"})
    Listing.objects.filter(pk=risen.pk).update(unit_cost=Decimal("9.00"))
    preview = rollback_preview(run_id=run_id, now=timezone.now())
    assert [(row.listing_id, why) for row, why in preview.refused] == [(risen.pk, "min_margin")]
    assert [row.listing_id for row in preview.coming_back] == [other.pk] and preview.published == 2
    rollback = rolled_back(run_id)
    assert (rollback.restored, rollback.refused) == (1, 1)
    assert outcomes()[risen.pk] == ("refused", "min_margin")
    risen.refresh_from_db()
    assert risen.price == Decimal("12.00")


def test_a_second_rollback_does_nothing():
    listing = make_listing()
    run_id = published_by_run({listing: "12.00"})
    first = rolled_back(run_id)
    listing.refresh_from_db()
    publish(listing, "11.00")
    assert rolled_back(run_id, reason="again") == first
    listing.refresh_from_db()
    assert listing.price == Decimal("11.00") and PriceChange.objects.count() == 3
    assert RunRollback.objects.get().reason == "the costs were wrong"


def test_a_later_run_may_price_what_was_restored():
    listing = make_listing()
    rolled_back(published_by_run({listing: "12.00"}))
    listing.refresh_from_db()
    assert publish(listing, "11.00").published == [listing.pk]


def test_what_is_restored_is_served_anew():
    listing = make_listing(sku="85123A")
    run_id = published_by_run({listing: "12.00"})
    revision = listing.served_revision
    rolled_back(run_id)
    listing.refresh_from_db()
    assert listing.served_revision > revision


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_rollback_needs_a_reason(reason):
    run_id = published_by_run({make_listing(): "12.00"})
    with pytest.raises(CannotRollBack, match="1 to 300 characters") as error:
        rolled_back(run_id, reason=reason)
    assert error.value.field == "reason" and not RunRollback.objects.exists()


def test_a_run_that_changed_nothing_cannot_be_rolled_back():
    with pytest.raises(CannotRollBack, match="changed no price"):
        rolled_back(uuid.uuid4())
    assert not RunRollback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rollback_killed_in_the_middle_is_as_if_never_begun():
    listings = [make_listing(), make_listing()]
    run_id = published_by_run(dict.fromkeys(listings, "12.00"))
    connection.close()
    child = os.fork()
    if child == 0:
        roll_back._record = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        try:
            rolled_back(run_id)
        finally:
            os._exit(1)  # never reached: the kill comes first
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert PriceChange.objects.count() == 2 and not RunRollback.objects.exists()
    assert set(Listing.objects.values_list("price", flat=True)) == {Decimal("12.00")}
    assert rolled_back(run_id).restored == 2
    assert set(Listing.objects.values_list("price", flat=True)) == {Decimal("10.00")}


@pytest.mark.django_db(transaction=True)
def test_two_rollbacks_at_once_are_one():
    listings = [make_listing(), make_listing()]
    run_id = published_by_run(dict.fromkeys(listings, "12.00"))

    def one(reason: str) -> int:
        try:
            return rolled_back(run_id, reason=reason).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, "abcd"))) == 1
    assert PriceChange.objects.count() == 4 and RolledBackPrice.objects.count() == 2


def test_the_command_rolls_back_and_lists_what_was_refused(capsys):
    risen = make_listing(sku="85123A")
    run_id = published_by_run({risen: "12.00", make_listing(): "12.00"})
    Listing.objects.filter(pk=risen.pk).update(unit_cost=Decimal("9.00"))
    call_command("roll_back_run", str(run_id), reason="wrong costs")
    out = capsys.readouterr().out
    assert "1 prices restored" in out and "refused: 85123A at 10: min_margin" in out


@pytest.mark.parametrize(("more", "cure"), [([], "changed no price"), (["--author=nobody"], "no user 'nobody'")])
def test_the_command_refuses_in_one_line(more, cure):
    with pytest.raises(CommandError, match=cure) as error:
        call_command("roll_back_run", str(uuid.uuid4()), "--reason=wrong costs", *more)
    assert "\n" not in str(error.value)
