"""The command that takes in competitors' offers, and the history that it writes."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from catalog.models import CompetitorOffer, CompetitorPrice, Product
from catalog.selectors.competitors import competitor_reference_prices
from catalog.services.competitor_offers import SeenOffer, record_offers
from tests.factories import make_channel, make_listing
from tests.locks import wait_until_somebody_waits

pytestmark = pytest.mark.django_db

HEADER = "competitor,price,observed_at,sku,gtin,name\n"
SEEN = datetime(2026, 3, 1, 9, tzinfo=UTC)


def row(price: str = "9.95", *, seen: datetime = SEEN, competitor: str = "Rival", sku="", gtin="", name="") -> str:
    return f"{competitor},{price},{seen.isoformat()},{sku},{gtin},{name}\n"


def written(tmp_path: Path, *rows: str, header: str = HEADER, name: str = "offers.csv") -> Path:
    path = tmp_path / name
    path.write_text(header + "".join(rows), encoding="utf-8")
    return path


def imported(path: Path) -> None:
    call_command("import_competitor_prices", str(path))


def refused(path: Path, **options) -> str:
    with pytest.raises(CommandError) as error:
        call_command("import_competitor_prices", str(path), **options)
    assert error.value.returncode == 2 and "\n" not in str(error.value)
    assert not CompetitorOffer.objects.exists() and not CompetitorPrice.objects.exists()
    return str(error.value)


def rejects(path: Path) -> list[tuple[int, str]]:
    return pl.read_csv(f"{path}.rejected.csv").select("row", "reason").rows()


def stored() -> tuple[list, list]:
    return list(CompetitorOffer.objects.order_by("pk").values()), list(CompetitorPrice.objects.order_by("pk").values())


@pytest.fixture
def shop() -> dict[str, int]:
    """Three listings of the channel, by SKU."""
    listings = [
        make_listing("85123A", name="WHITE HANGING HEART T-LIGHT HOLDER"),
        make_listing("22423", name="REGENCY CAKESTAND 3 TIER"),
        make_listing("21212", name="PACK OF 72 RETROSPOT CAKE CASES"),
    ]
    Product.objects.filter(sku="22423").update(gtin="036000291452")
    return {listing.product.sku: listing.pk for listing in listings}


def test_offers_find_their_products_by_sku_gtin_and_name(tmp_path, shop, capsys):
    path = written(
        tmp_path,
        row("2.75", sku="85123A"),
        row("12.50", gtin="0036000291452", name="something else"),
        row("0.65", name="Retrospot Cake Cases (72 pcs)"),
        row("0.60", name="Retrospot Cake Cases (60 pcs)"),
        row("7.00", name="Garden hose"),
    )
    imported(path)
    offers = CompetitorOffer.objects.order_by("price").values_list("listing_id", "price", "observed_at")
    assert list(offers) == [
        (shop["21212"], Decimal("0.6500"), SEEN),
        (shop["85123A"], Decimal("2.7500"), SEEN),
        (shop["22423"], Decimal("12.5000"), SEEN),
    ]
    assert rejects(path) == [(5, "other size"), (6, "no product alike")]
    said = " ".join(capsys.readouterr().out.split())
    for line in ("read │ 5", "kept │ 3", "of them new │ 3", "kept by sku │ 1", "kept by gtin │ 1", "kept by name │ 1"):
        assert line in said
    assert "rejected: other size │ 1" in said and "rejected: no product alike │ 1" in said


def test_the_newest_offer_is_the_competitors_price_whatever_the_order(tmp_path, shop):
    days = [SEEN + timedelta(days=day) for day in (1, 3, 0, 2)]
    imported(written(tmp_path, *(row(f"9.{day.day}0", seen=day, sku="85123A") for day in days)))
    price = CompetitorPrice.objects.get()
    assert (price.listing_id, price.competitor, price.observed_at) == (shop["85123A"], "Rival", max(days))
    assert price.price == Decimal(f"9.{max(days).day}0") and not price.assumed
    assert CompetitorOffer.objects.count() == 4


def test_an_older_file_adds_history_and_moves_no_price(tmp_path, shop):
    imported(written(tmp_path, row("9.00", sku="85123A")))
    imported(written(tmp_path, row("8.00", seen=SEEN - timedelta(days=1), sku="85123A"), name="older.csv"))
    assert CompetitorPrice.objects.get().price == 9 and CompetitorOffer.objects.count() == 2


def test_a_price_that_a_person_saw_later_stays(tmp_path, shop):
    later = SEEN + timedelta(days=9)
    CompetitorPrice.objects.create(listing_id=shop["85123A"], competitor="Rival", price=7, observed_at=later)
    imported(written(tmp_path, row("9.00", sku="85123A")))
    assert CompetitorPrice.objects.get().price == 7


def test_the_same_file_again_changes_nothing(tmp_path, shop, capsys):
    path = written(tmp_path, row(sku="85123A"), row(sku="85123A"), row(name="Regency cakestand – 3 tier"), row("-1"))
    imported(path)
    before = stored()
    assert len(before[0]) == 2 and "of them new │ 2" in " ".join(capsys.readouterr().out.split())
    imported(path)
    assert stored() == before and "of them new │ 0" in " ".join(capsys.readouterr().out.split())


def test_a_price_that_a_person_deleted_does_not_come_back_with_the_same_file(tmp_path, shop):
    path = written(tmp_path, row(sku="85123A"))
    imported(path)
    CompetitorPrice.objects.all().delete()
    imported(path)
    assert not CompetitorPrice.objects.exists()
    imported(written(tmp_path, row("9.00", seen=SEEN + timedelta(days=1), sku="85123A"), name="next.csv"))
    assert CompetitorPrice.objects.get().price == 9


def test_a_price_that_a_person_deleted_does_not_come_back_with_an_older_offer(tmp_path, shop):
    imported(written(tmp_path, row("1.00", seen=SEEN + timedelta(days=2), sku="85123A")))
    CompetitorPrice.objects.all().delete()
    imported(written(tmp_path, row("9.00", seen=SEEN + timedelta(days=1), sku="85123A"), name="older.csv"))
    assert CompetitorOffer.objects.count() == 2 and not CompetitorPrice.objects.exists()
    both = [row("8.00", seen=SEEN, sku="85123A"), row("2.00", seen=SEEN + timedelta(days=3), sku="85123A")]
    imported(written(tmp_path, *both, name="both.csv"))
    assert CompetitorPrice.objects.get().price == 2


def test_rows_in_another_order_and_file_are_the_same_rows(tmp_path, shop):
    rows = [row(sku="85123A"), row("3.00", sku="22423"), row("3.10", sku="22423", seen=SEEN + timedelta(hours=1))]
    imported(written(tmp_path, *rows))
    before = stored()
    imported(written(tmp_path, *reversed(rows), name="other.csv"))
    assert stored() == before


def test_bad_rows_say_why_and_good_ones_stay(tmp_path, shop):
    now = timezone.now()
    bad = {
        "no price": [row("0", sku="85123A"), row("-2", sku="85123A"), row("cheap", sku="85123A"), row("NaN", sku="1")],
        "no price ": [row("9.955", sku="85123A"), row("1e12", sku="85123A")],
        "no time": ["Rival,9.95,2026-03-01T09:00,85123A,,\n", "Rival,9.95,yesterday,85123A,,\n", "Rival,1,,85123A,,\n"],
        "in the future": [row(sku="85123A", seen=now + timedelta(minutes=10))],
        "no competitor": [row(competitor="", sku="85123A"), row(competitor="R" * 101, sku="85123A")],
        "no product": [row()],
        "name too long": [row(name="mug " + "1" * 5_000), row(name="m" * 301)],
        "no such product": [row(sku="NONE")],
        "no GTIN": [row(gtin="036000291453", name="REGENCY CAKESTAND 3 TIER")],
        "too many cells": ["Rival,9,95,2026-03-01T09:00+00:00,85123A,,A mug\n"],
    }
    lines = [line for some in bad.values() for line in some]
    path = written(tmp_path, row(sku="22423"), *lines, row(sku="21212", seen=now + timedelta(minutes=2)))
    imported(path)
    assert CompetitorOffer.objects.count() == 2
    expected = [kind.strip() for kind, some in bad.items() for _ in some]
    assert [(number, reason.split(":")[0]) for number, reason in rejects(path)] == list(enumerate(expected, 3))


def test_a_rejected_file_can_be_mended_and_given_back(tmp_path, shop):
    path = written(tmp_path, row(sku="85123A"), row("12,50", sku="22423").replace("12,50", '"12,50"'))
    imported(path)
    mended = Path(f"{path}.rejected.csv")
    mended.write_text(mended.read_text().replace('"12,50"', "12.50"))
    imported(mended)
    assert set(CompetitorPrice.objects.values_list("listing_id", flat=True)) == {shop["85123A"], shop["22423"]}


def test_two_prices_of_one_moment_are_one_too_many(tmp_path, shop):
    path = written(tmp_path, row("9.00", sku="85123A"), row("8.00", sku="85123A"), row("9.00", sku="85123A"))
    imported(path)
    assert rejects(path) == [(3, "given twice: row 2 has another price of this moment")]
    again = written(tmp_path, row("7.00", sku="85123A"), row(sku="22423"), name="again.csv")
    imported(again)
    assert rejects(again)[0][1].startswith("known otherwise: 9 is stored of this moment")
    assert CompetitorPrice.objects.get(listing=shop["85123A"]).price == 9


def test_products_of_other_channels_are_not_meant(tmp_path, shop):
    make_listing("ELSEWHERE", channel=make_channel("de", currency="EUR", country="DE"), name="GARDEN GNOME")
    path = written(tmp_path, row(sku="ELSEWHERE"), row(name="Garden gnome"))
    assert "no row was kept" in refused(path)
    assert [reason.split(":")[0] for _, reason in rejects(path)] == ["no such product", "no product alike"]


def test_semicolons_and_a_byte_order_mark_do_no_harm(tmp_path, shop):
    path = written(tmp_path, header="\ufeff" + HEADER.replace(",", ";"))
    path.write_text(path.read_text() + row(sku="85123A").replace(",", ";"))
    imported(path)
    assert CompetitorOffer.objects.count() == 1


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("competitor,price,sku\n", "column observed_at is missing; found: competitor, price, sku"),
        ("competitor,price,observed_at\n", "column sku is missing"),
        ("competitor,price,observed_at,sku,url\n", "column 'url' is unknown"),
        ("competitor,price,observed_at,sku,sku\n", "column 'sku' is unknown or there twice"),
        ("", "found: nothing"),
        (HEADER, "the file has a header but no rows"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, shop, header, said):
    assert said in refused(written(tmp_path, header=header))


def test_files_that_cannot_be_read(tmp_path, shop):
    assert "No such file" in refused(tmp_path / "nowhere.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes((HEADER + row(name="Café")).encode("latin-1"))
    assert "not UTF-8" in refused(latin)
    assert "not a CSV file" in refused(written(tmp_path, 'Rival,"9.95,2026-03-01T09:00+00:00,85123A,,\n'))
    assert "channels: web" in refused(written(tmp_path, row(sku="85123A")), channel="shop")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("a_file/rejected.csv", "a_file/rejected.csv: File exists"),
        ("folder", "folder: Is a directory"),
        ("full", "full: No space left on device"),  # found out while writing
    ],
)
def test_where_rejected_rows_cannot_be_written_nothing_is_stored(tmp_path, shop, where, said):
    (tmp_path / "a_file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "full").symlink_to("/dev/full")
    path = written(tmp_path, row(sku="85123A"), row("cheap", sku="85123A"))
    answer = refused(path, rejects=tmp_path / where)
    assert said in answer and "nothing was stored; give with --rejects a file that can be written" in answer


def test_where_nothing_is_rejected_no_file_is_left(tmp_path, shop):
    path = written(tmp_path, row(sku="85123A"))
    call_command("import_competitor_prices", str(path), rejects=tmp_path / "new" / "rejected.csv")
    assert list(tmp_path.iterdir()) == [path] and CompetitorPrice.objects.exists()


def test_history_is_not_rewritten(shop):
    record_offers(offers=[SeenOffer(shop["85123A"], "Rival", Decimal("9.00"), SEEN)])
    for change in (lambda: CompetitorOffer.objects.update(price=1), lambda: CompetitorOffer.objects.all().delete()):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


def test_a_recorded_offer_counts_for_the_reference_price(shop):
    now = timezone.now()
    record_offers(offers=[SeenOffer(shop["85123A"], "Rival", Decimal("9.00"), now - timedelta(hours=1))])
    assert competitor_reference_prices(listing_ids=[shop["85123A"]], now=now)[shop["85123A"]][0] == 9


def test_an_offer_typed_in_the_admin_joins_the_history_which_is_only_read(client, shop):
    client.force_login(User.objects.create_superuser("boss"))
    form = {"sku": "85123A", "channel": make_channel().pk, "competitor": "Rival", "price": "9.95"}
    assert client.post(reverse("admin:catalog_competitorprice_add"), form).status_code == 302
    price = CompetitorPrice.objects.get()
    client.post(reverse("admin:catalog_competitorprice_change", args=[price.pk]), {"price": "9.50"})
    assert list(CompetitorOffer.objects.order_by("pk").values_list("price", flat=True)) == [
        Decimal("9.9500"),
        Decimal("9.5000"),
    ]
    page = client.get(reverse("admin:catalog_competitoroffer_changelist")).content.decode()
    assert "£9.50" in page and "£9.95" in page
    assert client.get(reverse("admin:catalog_competitoroffer_add")).status_code == 403


# Dies after the first statement that writes a table, before the commit.
KILLED = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
import django
django.setup()
from django.core.management import call_command
from django.db import connection

def dying(execute, sql, *rest):
    answer = execute(sql, *rest)
    if f"INSERT INTO {sys.argv[2]}" in sql:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

with connection.execute_wrapper(dying):
    call_command("import_competitor_prices", sys.argv[1])
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["catalog_competitoroffer", "catalog_competitorprice"])
def test_killed_in_the_middle_nothing_is_there_and_the_file_can_be_given_again(tmp_path, shop, table):
    path = written(tmp_path, *(row(seen=SEEN + timedelta(days=day), sku=sku) for day in range(3) for sku in shop))
    database = connection.settings_dict
    address = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), table],
        env=os.environ | {"DATABASE_URL": f"postgres://{address}"},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert stored() == ([], [])
    imported(path)
    assert CompetitorOffer.objects.count() == 9 and CompetitorPrice.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_an_import_that_waits_for_an_offer_holds_no_later_one_and_no_price(shop, monkeypatch):
    monkeypatch.setattr("catalog.services.competitor_offers.CHUNK", 1)
    day = timedelta(days=1)
    first, second, third = (SeenOffer(pk, "Rival", Decimal(9), SEEN) for pk in sorted(shop.values()))
    record_offers(offers=[offer._replace(observed_at=SEEN - day) for offer in (first, second, third)])

    def recorded_elsewhere() -> None:
        try:
            record_offers(offers=[third, second, first])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            CompetitorOffer.objects.create(**second._replace(price=Decimal(8))._asdict())
            recording = pool.submit(recorded_elsewhere)
            wait_until_somebody_waits()
            # Each refused where the other has them already: with the offer above, a deadlock.
            CompetitorOffer.objects.create(**third._replace(price=Decimal(7))._asdict())
            assert len(CompetitorPrice.objects.select_for_update(nowait=True)) == 3
        recording.result(timeout=30)
    assert set(CompetitorOffer.objects.filter(observed_at=SEEN).values_list("price", flat=True)) == {9, 8, 7}
