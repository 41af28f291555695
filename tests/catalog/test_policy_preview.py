from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Category, GuardrailPolicy
from catalog.models.listing import PriceSource
from catalog.selectors.policy_preview import policy_preview
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def preview(policy, channel=None, **fields):
    return policy_preview(policy=policy, channel=channel or make_channel(), now=NOW, **fields)


def test_a_policy_shows_which_prices_it_would_move_and_saves_nothing():
    cheap, fair = make_listing(unit_cost=Decimal("9.00")), make_listing()
    make_listing(unit_cost=None)
    found = preview(GuardrailPolicy(min_margin=Decimal("0.20"), max_change=Decimal(1)))
    assert (found.in_scope, found.examined, found.unpriced, found.is_complete) == (3, 3, 1, True)
    assert (found.moved, found.breaking, found.outside_already) == (1, 1, 0)
    assert found.moved_by_rule == {"min_margin": 1}
    row = found.rows[0]
    assert (row.listing, row.price, row.allowed, row.rule) == (cheap, Decimal("10.00"), Decimal("11.25"), "min_margin")
    assert row.trail == [("min_margin", Decimal("10.00"), Decimal("11.25"))]
    assert not GuardrailPolicy.objects.exists() and fair.price is None


def test_an_edited_policy_stands_in_the_place_of_its_saved_row():
    make_listing()
    saved = GuardrailPolicy.objects.create(ceiling=Decimal("9.50"), currency="GBP")
    assert preview(saved).outside_already == 1  # as today: not this edit's doing
    saved.ceiling = Decimal("9.00")
    assert [(row.allowed, row.rule) for row in preview(saved).rows] == [(Decimal("9.00"), "ceiling")]
    saved.ceiling = None
    lifted = preview(saved)
    assert (lifted.moved, lifted.outside_already, lifted.released) == (0, 0, 1)


def test_only_what_the_scope_covers_is_looked_at():
    mugs = Category.objects.create(code="mugs", name="Mugs")
    mug, other = make_listing(category=mugs), make_listing()
    floor = {"floor": Decimal("11.00"), "currency": "GBP"}
    assert [row.listing for row in preview(GuardrailPolicy(category=mugs, **floor)).rows] == [mug]
    assert [row.listing for row in preview(GuardrailPolicy(product=other.product, **floor)).rows] == [other]
    assert preview(GuardrailPolicy(channel=make_channel("de", currency="EUR"), **floor)).in_scope == 0
    # A narrower policy that sets the same limit holds against the proposed one.
    GuardrailPolicy.objects.create(product=mug.product, floor=Decimal("5.00"), currency="GBP")
    assert [row.listing for row in preview(GuardrailPolicy(**floor)).rows] == [other]


def test_a_rule_that_is_not_hard_moves_without_breaking():
    make_listing()
    found = preview(GuardrailPolicy(price_endings=["99"]))
    assert (found.moved, found.breaking, found.moved_by_rule) == (1, 0, {"price_ending": 1})
    assert found.rows[0].allowed == Decimal("9.99")


def test_what_is_left_out_is_said():
    for _ in range(5):
        make_listing()
    found = preview(GuardrailPolicy(price_endings=["99"]), at_most=3, rows=2)
    assert (found.in_scope, found.examined, found.is_complete) == (5, 3, False)
    assert (found.moved, len(found.rows)) == (3, 2)


def test_pages_give_what_one_page_gives(monkeypatch):
    for number in range(7):
        listing = make_listing(list_price=Decimal(9 + number))
        publish(listing, str(10 + number), source=PriceSource.LIST_PRICE)
    policy = GuardrailPolicy(floor=Decimal("12.00"), currency="GBP", max_change_per_day=Decimal("0.05"))
    whole = preview(policy)
    monkeypatch.setattr("catalog.selectors.policy_preview.PAGE", 2)
    with CaptureQueriesContext(connection) as queries:
        assert preview(policy) == whole
    assert whole.moved_by_rule == {"floor": 2} and len(queries) < 30
