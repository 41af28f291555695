"""Elasticities as causes, from the command: with a file of costs, with other channels' prices, and what is refused."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from catalog.models import Listing, Product, WeeklySales
from catalog.sku_week_file import SkuWeekFileError, read_sku_weeks
from tests.factories import make_channel, make_listing

pytestmark = pytest.mark.django_db

MONDAY, SKUS, WEEKS = date(2011, 1, 3), 30, 30


@pytest.fixture
def market(tmp_path):
    """Sales whose prices followed demand and costs, in two channels with the same costs; return the file of costs."""
    rng = np.random.default_rng(1)
    products: dict[int, Product] = {}
    costs, lines = rng.normal(0, 0.2, (SKUS, WEEKS)), ["sku,week,cost"]
    for channel in (make_channel(), make_channel("de", currency="EUR")):
        shocks = rng.normal(0, 0.3, (SKUS, WEEKS))
        price = 2 + 0.5 * costs + 0.4 * shocks
        units = 12 - 2.0 * price + shocks
        for number in range(SKUS):
            if number in products:
                listing = Listing.objects.create(product=products[number], channel=channel, list_price=Decimal(10))
            else:
                listing = make_listing(f"S{number:02}", channel=channel)
                products[number] = listing.product
            WeeklySales.objects.bulk_create(
                WeeklySales(
                    listing=listing,
                    week=MONDAY + timedelta(weeks=week),
                    units=max(1, round(float(np.exp(units[number, week])))),
                    price=Decimal(f"{np.exp(price[number, week]):.4f}"),
                    revenue=1,
                    orders=1,
                )
                for week in range(WEEKS)
            )
    for number in range(SKUS):
        for week in range(WEEKS):
            day = MONDAY + timedelta(weeks=week, days=3)
            lines.append(f"S{number:02},{day},{costs[number, week]:.6f}")
    path = tmp_path / "costs.csv"
    path.write_text("\n".join(lines[:-30]))
    return path


def said(capsys, *arguments) -> str:
    call_command("estimate_causal", *map(str, arguments))
    return capsys.readouterr().out


def elasticities(text: str) -> list[float]:
    lines = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    return [float(cells[2]) for cells in lines if cells[2].strip()]


def test_with_costs_the_bias_of_prices_that_followed_demand_is_gone(market, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    text = said(capsys, "--instruments", market)
    fixed, instrumented = elasticities(text)
    assert fixed > -1.4 and instrumented == pytest.approx(-2.0, abs=0.15)
    assert "754 weeks of sales; 146 are left out: the last four weeks" in text


def test_other_channels_prices_are_an_instrument_and_two_are_held_against_each_other(market, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    text = said(capsys, "--other-channels", "--instruments", market)
    assert elasticities(text)[1] == pytest.approx(-2.0, abs=0.15) and "Hansen's J: p = " in text
    alone = said(capsys)
    assert len(elasticities(alone)) == 1 and "780 weeks of sales; 120 are left out" in alone


def test_a_weak_instrument_is_warned_of_in_words(market, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "140")
    rng, noise = np.random.default_rng(2), tmp_path / "noise.csv"
    rows = [line.rsplit(",", 1)[0] + f",{rng.normal():.5f}" for line in market.read_text().splitlines()[1:]]
    noise.write_text("\n".join(["sku,week,moon", *rows]))
    text = said(capsys, "--instruments", noise)
    assert "weak instruments: the effective F is" in " ".join(text.split()) and "∞" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sku,cost\nS01,1", "the header is sku, cost; give sku, week and a column for each number"),
        ("sku,week\nS01,2011-01-03", "give sku, week and a column for each number"),
        ("sku,week,cost\n", "a header but no rows"),
        ("sku,week,cost\nS01,2011-01-03,1\nS01,2011-01-05,2", "row 3 gives SKU S01 and the week of 2011-01-03 again"),
        ("sku,week,cost\nS01,last week,1", "row 2: week 'last week' is no date; give one such as 2011-01-03"),
        ("sku,week,cost\nS01,2011-01-03,cheap", "row 2: cost 'cheap' is no number"),
        ("sku,week,cost\nS01,2011-01-03", "row 2 has 2 values, the header 3"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=message) as error:
        call_command("estimate_causal", instruments=path)
    assert error.value.returncode == 2 and "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(SkuWeekFileError, match="No such file"):
        read_sku_weeks(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"sku,week,cost\n\xff\xfe\x00")
    with pytest.raises(SkuWeekFileError, match="save it as UTF-8"):
        read_sku_weeks(tmp_path / "bytes.csv")


def test_an_instrument_that_does_not_move_is_named_and_so_is_one_of_hardly_any_rows(market, tmp_path):
    still = tmp_path / "still.csv"
    rows = [line.rsplit(",", 1)[0] + ",3" for line in market.read_text().splitlines()[1:]]
    still.write_text("\n".join(["sku,week,tax", *rows]))
    with pytest.raises(CommandError, match="tax: it does not move within products and weeks"):
        call_command("estimate_causal", instruments=still)
    still.write_text("sku,week,cost\nS01,2011-01-03,1")
    with pytest.raises(CommandError, match="too few to tell the price's effect from theirs"):
        call_command("estimate_causal", instruments=still)


def test_a_channel_without_sales_or_an_unknown_one_is_refused():
    make_channel()
    with pytest.raises(CommandError, match="has no sales"):
        call_command("estimate_causal")
    with pytest.raises(CommandError, match="nowhere"):
        call_command("estimate_causal", channel="nowhere")
