"""Offers of rivals find the right product of ours, or none and the reason."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.engine.rivals import Named, match_offers

SHOP = [
    "WHITE HANGING HEART T-LIGHT HOLDER",
    "RED RETROSPOT MUG",
    "BLUE RETROSPOT MUG",
    "SET OF 6 ICE CREAM SKITTLES",
    "PACK OF 72 RETROSPOT CAKE CASES",
    "PACK OF 60 PINK PAISLEY CAKE CASES",
    "ESSENTIAL BALM 3.5g TIN IN ENVELOPE",
    "PAPER LANTERN 9 POINT HOLLY STAR S",
    "PAPER LANTERN 9 POINT HOLLY STAR L",
    "Basmati Rice 500 g",
    "Basmati Rice 1 kg",
    "Cola 6 x 330 ml",
    "Cola 330 ml",
    "ENGLISH ROSE NOTEBOOK A6 SIZE",
    "CHILDREN'S CUP DOLLY GIRL",
    "Café crème cups",
]


def matched(name: str, shop: list[str] | None = None) -> str:
    """Return the product that a name finds in the shop, or why it finds none."""
    shop = SHOP if shop is None else shop
    match = match_offers([Named(name)], [Named(each) for each in shop])[0]
    assert (match.product is None) == bool(match.reason) and (match.product is None) == (match.by == "")
    return match.reason if match.product is None else shop[match.product]


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("white hanging heart t-light holder", "WHITE HANGING HEART T-LIGHT HOLDER"),
        ("Heart Holder, white, hanging (t light)", "WHITE HANGING HEART T-LIGHT HOLDER"),
        ("White Hanging Hearts Tlight Holder", "WHITE HANGING HEART T-LIGHT HOLDER"),
        ("Retrospot mug – red", "RED RETROSPOT MUG"),
        ("Ice cream skittles, S/6", "SET OF 6 ICE CREAM SKITTLES"),
        ("Ice Cream Skittles 6 pcs", "SET OF 6 ICE CREAM SKITTLES"),
        ("Retrospot Cake Cases x72", "PACK OF 72 RETROSPOT CAKE CASES"),
        ("Essential Balm Tin in Envelope, 3,5 g", "ESSENTIAL BALM 3.5g TIN IN ENVELOPE"),
        ("Basmati rice 0.5kg", "Basmati Rice 500 g"),
        ("Basmati rice 1000g", "Basmati Rice 1 kg"),
        ("COLA 6x330ml", "Cola 6 x 330 ml"),
        ("Cola 33 cl", "Cola 330 ml"),
        ("Paper lantern, holly star, 9 point, L", "PAPER LANTERN 9 POINT HOLLY STAR L"),
        ("Dolly Girl childrens cup", "CHILDREN'S CUP DOLLY GIRL"),
        ("CAFE CREME CUPS", "Café crème cups"),
    ],
)
def test_a_name_written_otherwise_finds_its_product(name, product):
    assert matched(name) == product


@pytest.mark.parametrize(
    "name", ["Ice Cream Skittles", "Set of 12 ice cream skittles", "Basmati Rice 2 kg", "Cola 1 l"]
)
def test_other_or_no_numbers_are_another_product(name):
    assert matched(name) == "other size"


@pytest.mark.parametrize(
    "name",
    [
        "Green retrospot mug",  # another colour
        "Pack of 72 retrospot cake boxes",
        "English rose notebook A5 size",
        "Garden hose",
        "Rice",
        "Молоко",
        "",
        "500 g",
    ],
)
def test_what_is_not_sold_here_finds_nothing(name):
    assert matched(name) == "no product alike"


def test_two_products_alike_are_named_and_neither_is_taken():
    shop = ["WHITE HANGING HEART CANDLE HOLDER SMALL", "GARDEN HOSE", "WHITE HANGING HEART CANDLE HOLDER LARGE"]
    assert matched("White hanging heart candle holder", shop) == f"two products alike: {shop[0]}, {shop[2]}"
    assert matched("Large white hanging heart candle holder", shop) == shop[2]
    assert matched("Red mug", ["RED MUG", "MUG, RED"]) == "two products alike: RED MUG, MUG, RED"


def test_the_same_name_in_two_sizes_is_decided_by_the_size():
    assert matched("Napkins fairy cakes (20)", ["SET 20 NAPKINS FAIRY CAKES", "SET 10 NAPKINS FAIRY CAKES"]) == (
        "SET 20 NAPKINS FAIRY CAKES"
    )


def test_a_gtin_decides_before_names_and_against_them():
    shop = [Named("RED MUG", "036000291452"), Named("BLUE MUG", "4006381333931"), Named("TEA POT")]
    offers = [
        Named("Blue mug", "0036000291452"),  # the number of the red one, with a zero in front
        Named("Red mug", "96385074"),  # nobody's number here, and the red mug has another
        Named("Tea pot", "96385074"),  # nobody's number here, and nothing says that it is not the pot's
        Named("Tea pot", "96385075"),
        Named(gtin="4006381333931"),
    ]
    matches = match_offers(offers, shop)
    assert [match.product for match in matches] == [0, None, 2, None, 1]
    assert [match.by for match in matches] == ["gtin", "", "name", "", "gtin"]
    assert matches[1].reason == "no product alike" and "the last is 4" in matches[3].reason


def test_names_are_looked_into_only_where_an_offer_needs_them():
    class Untouched(str):
        def casefold(self) -> str:
            raise AssertionError("prepared in vain")

    shop = [Named(Untouched("RED MUG"), "036000291452")]
    offers = [Named("Red mug", "036000291452"), Named("Red mug", "96385075"), Named(gtin="96385074"), Named()]
    assert [match.product for match in match_offers(offers, shop)] == [0, None, None, None]
    with pytest.raises(AssertionError, match="in vain"):
        match_offers([Named("Red mug")], shop)


def test_thresholds_are_obeyed():
    shop, offer = [Named("GLASS BON BON JAR")], [Named("Glass twist bon bon jar")]
    score = match_offers(offer, shop)[0].score
    assert match_offers(offer, shop, least_score=score)[0].product == 0
    assert match_offers(offer, shop, least_score=score + 0.01)[0].product is None


def test_nothing_to_match_and_nothing_to_match_with():
    assert match_offers([], [Named("MUG")]) == []
    assert matched("Mug", []) == "no product alike"


UNCLEAR = "size unclear: {} of the offer may mean thousands or a fraction; write it without comma or point"


@pytest.mark.parametrize(
    ("name", "product", "said"),
    [
        ("Vase 1,000 ml", "Vase 1 ml", UNCLEAR.format("1,000")),
        ("Vase 1 l", "Vase 1.000 ml", UNCLEAR.format("1.000").replace("the offer", "our product")),
        ("Vase 1,000 ml", "Vase 1.000 ml", UNCLEAR.format("1,000")),
        ("1,000 napkins, 3 ply", "Napkins 3 ply 1000", UNCLEAR.format("1,000")),
        ("Vase, 1,000ml", "Vase 1,000 ml", ""),
        ("Pack of 1,000 napkins", "NAPKINS 1,000", ""),
        ("Vase 1,000 ml", "Vase 1,000 g", UNCLEAR.format("1,000")),
        ("Wine 0,750 l", "Wine 750 ml", ""),
        ("Flour 1500.125 g", "Flour 1.500125 kg", ""),
        ("Vase 1,000 ml", "Garden hose", "no product alike"),
    ],
)
def test_a_number_that_may_mean_thousands_or_a_fraction_is_only_itself(name, product, said):
    assert matched(name, [product]) == (said or product)


def test_of_a_number_that_may_mean_two_the_same_text_decides():
    shop = ["Vase 1 ml", "Vase 1,000 ml", "Vase 1 l"]
    assert [matched(name, shop) for name in ("Vase (1,000 ml)", "Vase (1000 ml)")] == shop[1:]


def test_numbers_of_any_length_are_compared():
    long = "1" * 5_000
    assert matched(f"Mug {long}", [f"MUG {long}", "MUG 1"]) == f"MUG {long}"
    assert matched("Toy car 4006381333931", ["TOY CAR 4006381333948"]) == "other size"


@given(st.lists(st.text(max_size=30), max_size=5), st.text(max_size=30))
def test_any_text_is_answered(shop, name):
    matched(name, shop)


@pytest.fixture(scope="module")
def demo_names() -> list[str]:
    sold = pl.scan_parquet("data/online_retail/online_retail.parquet").filter(
        pl.col("StockCode").str.contains(r"^\d{5}[A-Za-z]{0,2}$") & (pl.col("UnitPrice") > 0)
    )
    return (
        sold.select(pl.col("Description").str.strip_chars())
        .drop_nulls()
        .unique()
        .sort("Description")
        .collect()["Description"]
        .to_list()
    )


def test_a_rival_with_the_demos_whole_range_is_never_matched_wrongly(demo_names):
    shuffle = random.Random(1)
    offers = []
    for name in demo_names:
        words = name.title().split()
        shuffle.shuffle(words)
        offers.append(Named(" ".join([*words, "Gift"])))
    found = [match.product for match in match_offers(offers, [Named(name) for name in demo_names])]
    assert sum(product not in (None, row) for row, product in enumerate(found)) == 0
    assert sum(product == row for row, product in enumerate(found)) > 0.9 * len(demo_names)


def test_few_of_what_the_shop_does_not_sell_are_taken_for_a_variant(demo_names):
    ours = [Named(name) for name in demo_names[::2]]
    strangers = [Named(name.title()) for name in demo_names[1::2]]
    assert sum(match.product is not None for match in match_offers(strangers, ours)) < 0.04 * len(strangers)
