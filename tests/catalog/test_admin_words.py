from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.admin.charts import demand_charts, price_chart
from catalog.admin.formatting import margin, moment, money, number, percent
from catalog.admin.reasons import decision_in_words
from catalog.guardrails import RULE_LABELS
from catalog.models import Channel, PriceChange
from catalog.plain_words import RULE_WORDS, refusal_words

POUND = Channel(code="web", currency="GBP", currency_exponent=2)
YEN = Channel(code="jp", currency="JPY", currency_exponent=0)


def words(price: str, previous: str | None, candidate: str | None, rule: str, objective: str = "profit") -> str:
    return decision_in_words(
        {"objective": objective, "candidate": candidate},
        price=Decimal(price),
        previous=None if previous is None else Decimal(previous),
        rule=rule,
        channel=POUND,
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("2.95", "2.55", "3.05", "max_change"),
            "Raised to £2.95: profit is highest at £3.05, held back by the maximum change",
        ),
        (("2.40", "2.55", "2.40", "own_optimum"), "Lowered to £2.40: profit is highest at this price"),
        (("2.55", "2.55", "2.10", "low_stock"), "Kept at £2.55: profit is highest at £2.10, held back by low stock"),
        (
            ("2.99", "2.55", "2.10", "min_margin"),
            "Raised to £2.99: profit is highest at £2.10, moved by the minimum margin",
        ),
        (
            ("2.99", "2.55", "3.00", "price_ending"),
            "Raised to £2.99: profit is highest at £3.00, rounded to an allowed ending",
        ),
        (
            ("3.06", "2.55", None, "max_change"),
            "Raised to £3.06: profit would go on rising with the price; the maximum change decides",
        ),
        (
            ("2.04", "2.55", None, "max_change", "market_share"),
            "Lowered to £2.04: more would sell the lower the price; the maximum change decides",
        ),
        (("2.95", None, None, "", ""), "Set to £2.95 by the optimiser"),
    ],
)
def test_a_decision_is_one_sentence(arguments, sentence):
    assert words(*arguments) == sentence


def test_every_rule_has_words():
    assert set(RULE_LABELS) <= set(RULE_WORDS)


def test_a_refusal_names_the_rule_or_the_missing_fact():
    assert refusal_words("missing_cost") == "the unit cost is unknown or zero"
    assert refusal_words("min_margin") == "the price would break a rule: the minimum margin"
    assert refusal_words("something_new") == "something new"


def test_amounts_keep_their_currency_and_decimals():
    assert money("1234.5", POUND) == "£1,234.50"
    assert money(Decimal("0.0125"), POUND, exact=True) == "£0.0125"
    assert money(Decimal(100), POUND, exact=True) == "£100.00"
    assert money("-3", POUND) == "−£3.00"
    assert money(250, YEN) == "¥250"
    assert money(None, POUND) == money("nan", POUND) == number("x") == percent(None) == moment(None) == "–"


def test_rates_lose_needless_zeros():
    assert [percent(rate).replace("\N{NO-BREAK SPACE}", " ") for rate in (0.15, 1, 0, "0.005")] == [
        "15 %",
        "100 %",
        "0 %",
        "0.5 %",
    ]
    assert percent(0.2, signed=True).startswith("+20") and percent(-0.2).startswith("−20")


def test_an_unknown_cost_has_no_margin():
    assert margin(Decimal(10), Decimal(6)) == Decimal("0.4")
    assert margin(Decimal(10), None) is None and margin(Decimal(10), Decimal(0)) is None


def test_the_price_chart_needs_two_prices():
    now = timezone.now()
    rows = [PriceChange(version=v, price=Decimal(v), valid_from=now - timedelta(days=9 - v)) for v in (3, 2, 1)]
    chart = price_chart(rows, POUND, now)
    assert chart and len(chart.dots) == 3 and chart.path.startswith("M")
    assert price_chart(rows[:1], POUND, now) is None


def test_the_demand_curve_passes_through_the_recorded_demand():
    inputs = {
        "current_price": {"value": "10.00"},
        "unit_cost": {"value": "6"},
        "demand": {"value": 40.0},
        "elasticity": {"mean": -2.0, "sd": 0.0},
    }
    demand, profit = demand_charts({"inputs": inputs, "candidate": "12.00"}, "12.00", POUND)
    assert [marker.label for marker in demand.markers] == ["before: £10.00", "chosen = best without limits: £12.00"]
    assert profit.title == "Expected profit a week by price"
    heights = {label: y for _, y, label in demand.dots}
    assert heights["£12.00"] > heights["£10.00"]  # less is sold: further down


@pytest.mark.parametrize("missing", ["current_price", "demand", "elasticity"])
def test_no_curve_is_drawn_from_half_the_inputs(missing):
    inputs = {"current_price": {"value": "10"}, "demand": {"value": 40}, "elasticity": {"mean": -2, "sd": 0.1}}
    assert demand_charts({"inputs": inputs | {missing: {}}}, "12", POUND) == []
