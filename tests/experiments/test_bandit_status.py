import uuid

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from scipy import stats

from experiments.models import BanditArm, ChoiceSet, PricingDecision
from experiments.selectors.bandit_status import bandit_status
from experiments.services.arm_counts import add_counts
from experiments.services.decide_prices import DemandEvent, decide_prices
from tests.factories import make_channel, make_listing

pytestmark = pytest.mark.django_db


def decide(*skus, location="london"):
    now = timezone.now()
    events = [DemandEvent(uuid.uuid4(), "web", sku, location, 1, 1, now) for sku in skus]
    decide_prices(events=events, now=now, rng=np.random.default_rng(0))


def test_the_busiest_contexts_come_first_with_what_is_believed_of_their_arms(django_assert_max_num_queries):
    make_listing("A"), make_listing("B")
    decide(*["A"] * 30, *["B"] * 60)
    arm = BanditArm.objects.get(context__listing__product__sku="A", price=10)
    add_counts(purchases={(arm.pk, 1): 30}, rejections={(arm.pk, 2): 10})
    decide("A")  # by what is known now
    with django_assert_max_num_queries(6):
        status = bandit_status(channel="web", last=1_000)
    first, second = status.contexts
    assert [first.context.listing.product.sku, first.recent, second.recent] == ["B", 60, 31]
    best = second.best
    assert (str(best.price), best.purchases, best.rejections) == ("10.0000", 30, 10)
    assert (best.low, best.high) == pytest.approx(stats.beta(31, 11).interval(0.9))
    assert best.probability == max(arm.probability for arm in second.arms) > 0
    assert second.best_share == best.recent / 31 == PricingDecision.objects.filter(arm=arm).count() / 31
    assert status.best_share == (first.best.recent + best.recent) / 91


def test_a_price_that_was_hardly_tried_is_not_thought_best():
    make_listing("A")
    decide(*["A"] * 3)
    by_price = {str(arm.price): arm.pk for arm in BanditArm.objects.all()}
    add_counts(purchases={(by_price["10.0000"], 1): 300}, rejections={(by_price["10.0000"], 1): 500})
    add_counts(purchases={(by_price["9.5000"], 1): 3}, rejections={(by_price["9.5000"], 1): 60})
    for price in ("9.0000", "10.5000", "11.0000"):  # unlucky so far, and wide open
        add_counts(rejections={(by_price[price], 1): 2})
    ChoiceSet.objects.create(
        context_id=BanditArm.objects.first().context_id,
        policy="demand_curve_bank",
        arms=[by_price["10.0000"], by_price["11.0000"]],
        prices=[10, 11],
        alphas=[301, 1],
        betas=[501, 3],
        probabilities=[0.97, 0.03],
        made_at=timezone.now(),
    )
    status = bandit_status(channel="web", last=10, slices=1)
    (context,) = status.contexts
    assert str(context.best.price) == "10.0000"
    assert context.arms[-1].reward < context.best.reward  # a mean of 1/4 at 11
    assert status.shares[0].decisions == 3


def test_only_the_newest_decisions_count():
    make_listing("A")
    decide(*["A"] * 20)
    decide(*["A"] * 10, location="leeds")
    assert [each.context.location for each in bandit_status(channel="web", last=10).contexts] == ["leeds"]


def test_the_command_shows_it_and_says_where_there_is_nothing(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    make_channel()
    call_command("bandit_status", once=True)
    assert "No decisions yet" in capsys.readouterr().out
    make_listing("A"), make_listing("B")
    decide(*["A"] * 20, "B")
    call_command("bandit_status", once=True, contexts=1)
    shown = capsys.readouterr().out
    assert "A london medium" in shown and "of the last 21 decisions" in shown and "1 are not shown" in shown
    for option, cure in [({"last": 0}, "--last is 0"), ({"channel": "moon"}, "moon")]:
        with pytest.raises(CommandError, match=cure) as error:
            call_command("bandit_status", once=True, **option)
        assert error.value.returncode == 2
