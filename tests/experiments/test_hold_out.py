"""The holdout: who is drawn, what leaves it alone, and what the engine earns beside it."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import DailySales, Listing
from experiments.models import HoldoutListing, HoldoutPolicy
from experiments.selectors.holdouts import holdout_effect
from experiments.services.hold_out import draw_holdouts, hold_out
from experiments.services.start_experiment import start_experiment, submit_experiment
from experiments.services.stop_experiment import stop_experiment
from tests.experiments.shop import make_draft, make_shop
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


def hold(share, **kwargs):
    return hold_out(channel=make_channel(), share=share, by="ann", now=kwargs.get("now", timezone.now()))


def held():
    return set(HoldoutListing.objects.filter(until=None).values_list("listing_id", flat=True))


def test_a_share_is_held_out_and_a_larger_one_adds_to_it():
    make_shop(categories=10, products=30)
    first = hold(1_000)
    few = held()
    assert 10 <= len(few) == first.held == first.new <= 55
    second = hold(2_000)
    assert few < held() and second.new == len(held()) - len(few) and second.let_go == 0
    third = hold(1_000)
    assert held() == few and third.let_go == second.new
    assert HoldoutListing.objects.exclude(until=None).count() == third.let_go


def test_the_same_again_changes_nothing_and_none_lets_all_go():
    make_shop()
    hold(5_000)
    before = held()
    again = hold(5_000)
    assert (again.new, again.let_go, held()) == (0, 0, before)
    assert hold(0).held == 0 and held() == set()


def test_more_than_half_is_refused():
    with pytest.raises(ValueError, match="share: got 6000; give 0 to 5,000"):
        hold(6_000)


def test_a_new_listing_is_drawn_the_next_time():
    make_shop()
    hold(5_000)
    late = [make_listing(f"LATE-{number}") for number in range(30)]
    draws = draw_holdouts(now=timezone.now())
    assert draws["web"].new > 0 and held() & {row.pk for row in late}


def test_automatic_prices_leave_it_alone():
    listings = make_shop()
    hold(5_000)
    out = held()
    for listing in listings:
        report = publish(listing, "10.20")
        assert (report.refused.get(listing.pk) == "held_out") == (listing.pk in out)


def test_a_listing_in_an_experiment_waits_for_its_end():
    make_shop()
    draft = make_draft()
    submit_experiment(experiment=draft.pk, by="ann", now=timezone.now())
    start_experiment(experiment=draft.pk, by="bob", now=timezone.now())
    drawn = hold(5_000)
    assert drawn.new == 0 and drawn.waiting > 0
    stop_experiment(experiment=draft.pk, by="bob", reason="", now=timezone.now())
    assert draw_holdouts(now=timezone.now())["web"].new == drawn.waiting


def test_the_engines_effect_is_recovered_with_less_noise_than_without_the_days_before():
    """Others earn 4 a day more since the draw, beside 40; levels differ by listing from 20 to 60."""
    out, start = shop_with_a_holdout()
    found = holdout_effect(channel=make_channel())
    assert (found.held_out, found.others) == (len(out), 200 - len(out))
    assert found.first_day == start + timedelta(days=1)
    assert 0 < found.low < 4.0 < found.high
    assert found.low < found.effect < found.high and found.variance_reduction > 0.9
    assert found.relative == pytest.approx(4 / 40, abs=0.03)


def test_listings_that_came_or_were_held_out_since_the_draw_are_on_neither_side():
    out, start = shop_with_a_holdout()
    before = holdout_effect(channel=make_channel())
    new = [make_listing(f"NEW-{number:03}") for number in range(60)]
    DailySales.objects.bulk_create(
        DailySales(listing=listing, day=start + timedelta(days=28), units=5, revenue=50) for listing in new
    )
    draw_holdouts(now=timezone.now() - timedelta(days=3))
    assert len(held()) > len(out)
    assert holdout_effect(channel=make_channel()) == before
    let_go, later = min(out), min(set(Listing.objects.values_list("pk", flat=True)) - held())
    HoldoutListing.objects.filter(listing=let_go).update(until=timezone.now())
    HoldoutListing.objects.create(listing_id=later, since=timezone.now())
    found = holdout_effect(channel=make_channel())
    assert (found.held_out, found.others) == (before.held_out - 1, before.others - 1)


def shop_with_a_holdout():
    """200 listings that sold from 27 days before the draw to 30 after it; return the held out and the draw's day."""
    rng = np.random.default_rng(3)
    listings = [make_listing(f"L-{number:03}") for number in range(200)]
    began = timezone.now() - timedelta(days=31)
    HoldoutPolicy.objects.create(channel=make_channel(), salt="a fixed salt")
    hold(2_500, now=began)
    out, start = held(), timezone.localdate(began)
    level = rng.uniform(5, 15, size=len(listings))
    rows = []
    for day in range(-27, 31):
        for listing, mean in zip(listings, level, strict=True):
            extra = 1.0 if day > 0 and listing.pk not in out else 0.0
            units = int(rng.poisson(mean + extra))
            if units:  # at 10.00 that cost 6.00: 4.00 of profit each
                rows.append(
                    DailySales(listing=listing, day=start + timedelta(days=day), units=units, revenue=10 * units)
                )
    DailySales.objects.bulk_create(rows)
    return out, start


def test_without_a_holdout_or_days_after_it_nothing_is_compared():
    make_shop()
    assert holdout_effect(channel=make_channel()) is None
    hold(2_000)
    assert holdout_effect(channel=make_channel()) is None
