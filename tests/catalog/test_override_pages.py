import base64
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import PriceOverride
from tests.factories import make_listing

pytestmark = pytest.mark.django_db

LIST, ADD = "admin:catalog_priceoverride_changelist", "admin:catalog_priceoverride_add"
UPLOAD = "admin:catalog_priceoverride_upload"
DAY = f"{timezone.now() + timedelta(days=30):%Y-%m-%d}"


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def form(listing, **fields):
    return {
        "listing": listing.pk,
        "kind": "override",
        "price": "8.00",
        "reason": "Trade fair",
        "starts_at": "2027-06-01 09:00",
        "ends_at": "",
        "time_zone": "Europe/London",
    } | fields


def page(client, name, *arguments, **query):
    response = client.get(reverse(name, args=arguments), query)
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def add(client, listing, **fields):
    assert client.post(reverse(ADD), form(listing, **fields)).status_code == 302
    return PriceOverride.objects.latest("pk")


def test_one_is_scheduled_in_local_time_and_listed(boss):
    listing = make_listing("85123A")
    override = add(boss, listing)
    assert (override.starts_at.isoformat(), override.author.username) == ("2027-06-01T08:00:00+00:00", "boss")
    text = page(boss, LIST)
    assert "1 Jun 2027, 09:00" in text and "Europe/London" in text and "now £10.00" in text
    assert "Trade fair (boss)" in text
    assert "No results" not in page(boss, LIST, status="scheduled", listing__exact=listing.pk)
    assert '<option value="Europe/London" selected>' in page(boss, ADD)
    assert f"listing__exact={listing.pk}" in page(boss, "admin:catalog_listing_change", listing.pk)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"price": "5.00"}, "price", "Below the unit cost"),
        ({"price": "8.005"}, "price", "2 decimals"),
        ({"price": "11.00", "kind": "promotion"}, "price", "Not below 10.00 GBP"),
        ({"starts_at": "2020-01-01 09:00"}, "starts_at", "In the past"),
        ({"starts_at": "2027-03-28 01:30"}, "starts_at", "does not exist in Europe/London"),
        ({"ends_at": "2027-10-31 01:30"}, "ends_at", "comes twice"),
        ({"ends_at": "2027-05-01 01:30"}, "ends_at", "Not after the start"),
        ({"reason": ""}, "reason", "required"),
        ({"time_zone": "London"}, "time_zone", "valid choice"),
    ],
)
def test_an_error_stands_next_to_its_field(boss, fields, field, words):
    response = boss.post(reverse(ADD), form(make_listing(), **fields))
    assert words in str(response.context["adminform"].form.errors[field])
    assert not PriceOverride.objects.exists()


def test_one_is_cancelled_on_its_page_and_several_in_the_list(boss):
    first, second = add(boss, make_listing(), starts_at=""), add(boss, make_listing())
    url = reverse("admin:catalog_priceoverride_change", args=[first.pk])
    assert "Cancel it" in boss.get(url).content.decode()
    boss.post(url, {"catalog_priceoverride_cancel_one": "1"})
    first.refresh_from_db()
    assert (first.status, first.outcome) == (
        "cancelled",
        "cancelled by boss; the override ended: back to the list price",
    )
    assert "Cancel it" not in boss.get(url).content.decode()
    boss.post(reverse(LIST), {"action": "cancel_selected", "_selected_action": [second.pk]})
    second.refresh_from_db()
    assert second.status == "cancelled"


def test_a_page_never_changes_an_override(boss):
    override = add(boss, make_listing())
    boss.post(reverse("admin:catalog_priceoverride_change", args=[override.pk]), {"price": "1", "status": "active"})
    override.refresh_from_db()
    assert (str(override.price), override.status) == ("8.0000", "scheduled")


def test_who_may_only_look_can_neither_add_nor_cancel_nor_upload(client, boss):
    override = add(boss, make_listing())
    clerk = User.objects.create(username="clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_priceoverride"))
    client.force_login(clerk)
    assert client.get(reverse(LIST)).status_code == 200
    assert client.post(reverse(ADD), form(override.listing)).status_code == 403
    assert client.get(reverse(UPLOAD)).status_code == 403
    url = reverse("admin:catalog_priceoverride_change", args=[override.pk])
    client.post(url, {"catalog_priceoverride_cancel_one": "1"})
    client.post(reverse(LIST), {"action": "cancel_selected", "_selected_action": [override.pk]})
    override.refresh_from_db()
    assert override.status == "scheduled"


def test_the_list_takes_as_many_queries_for_thirty_rows_as_for_three(boss):
    def queries(count):
        for _ in range(count):
            add(boss, make_listing())
        with CaptureQueriesContext(connection) as captured:
            page(boss, LIST)
        return len(captured)

    assert queries(3) == queries(27)


def test_a_file_is_previewed_applied_and_its_bad_rows_fetched(boss):
    make_listing("A"), make_listing("B")
    content = (
        "sku,price,starts_at,ends_at,time_zone,kind,reason\n"
        f"A,8.00,{DAY} 09:00,{DAY} 17:00,Europe/London,promotion,Fair\n"
        f"B,5.00,{DAY} 09:00,,Europe/London,,Fair\n"
    )
    assert "Choose a file" in page(boss, UPLOAD)
    file = SimpleUploadedFile("prices.csv", content.encode())
    response = boss.post(reverse(UPLOAD), {"channel": "web", "file": file})
    text = response.content.decode()
    assert "Nothing was written yet" in text and "£8.00" in text and "Below the unit cost" in text
    assert not PriceOverride.objects.exists()

    sent = {"channel": "web", "content": response.context["content"], "apply": "1"}
    text = boss.post(reverse(UPLOAD), sent).content.decode()
    assert "1 scheduled." in text
    assert PriceOverride.objects.get().author.username == "boss"
    errors = base64.b64decode(re.search(r"base64,([\w+/=]+)", text)[1]).decode()
    assert errors.splitlines()[1].startswith(f'B,5.00,{DAY} 09:00,,Europe/London,,Fair,3,price,"Below the unit cost')
    assert "0 scheduled." in boss.post(reverse(UPLOAD), sent).content.decode()
    assert PriceOverride.objects.count() == 1


@pytest.mark.parametrize(("content", "words"), [(b"sku\n", "Column price is missing"), (b"\xff,1\n", "Not UTF-8")])
def test_a_file_that_cannot_be_read_says_why(boss, content, words):
    make_listing()
    response = boss.post(reverse(UPLOAD), {"channel": "web", "file": SimpleUploadedFile("x.csv", content)})
    assert words in response.context["form"].errors["file"][0]
    assert "Choose a file." in boss.post(reverse(UPLOAD), {"channel": "web"}).context["form"].errors["file"]
