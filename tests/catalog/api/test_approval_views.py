import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from catalog.models import ApiKey, ApprovalPolicy, PriceApproval, PriceGroup, PriceGroupMember
from catalog.models.listing import PriceSource
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db
URL = "/api/v1/price-approvals"


def client_of(owner):
    client = APIClient()
    _, text = ApiKey.issue(name="test", scopes=["approvals:write"], owner=owner)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


@pytest.fixture
def anna():
    return User.objects.create_superuser("anna")


@pytest.fixture
def waiting(anna):
    ApprovalPolicy.objects.create(max_change="0.1")
    listing = make_listing(sku="85123A")
    publish(listing, "12.00", source=PriceSource.OVERRIDE, author=anna)
    return PriceApproval.objects.get()


def test_list_and_approve(waiting):
    family = PriceGroup.objects.create(kind="family", name="Mugs")
    for product in (waiting.listing.product, make_listing().product):
        PriceGroupMember.objects.create(group=family, kind="family", product=product)
    client = client_of(User.objects.create_superuser("bert"))
    (row,) = client.get(URL, {"status": "waiting"}).json()["results"]
    assert (row["sku"], row["price_before"], row["price"], row["currency"]) == ("85123A", "10.00", "12.00", "GBP")
    assert row["risks"] == ["the price moves by 20 %, more than 10 %"] and row["requested_by"] == "anna"
    answer = client.post(f"{URL}/{row['id']}/approve", {"comment": "fine"})
    assert answer.status_code == 200
    assert answer.json()["broken_relations"] == ["Mugs"]
    assert (answer.json()["status"], answer.json()["decided_by"]) == ("approved", "bert")
    again = client.post(f"{URL}/{row['id']}/reject")
    assert again.status_code == 409 and "approved by bert" in again.json()["detail"]


def test_reject(waiting):
    answer = client_of(User.objects.create_superuser("bert")).post(f"{URL}/{waiting.pk}/reject", {"comment": "no"})
    assert (answer.json()["status"], answer.json()["comment"]) == ("rejected", "no")


def test_the_world_moved(waiting):
    publish(waiting.listing, "10.50", source=PriceSource.ROLLBACK)
    PriceApproval.objects.update(status="waiting")
    answer = client_of(User.objects.create_superuser("bert")).post(f"{URL}/{waiting.pk}/approve")
    assert answer.status_code == 409 and "price_changed_meanwhile" in answer.json()["detail"]


def test_who_may_not(waiting, anna):
    for owner, words in [
        (None, "belongs to nobody"),
        (anna, "somebody else must decide"),
        (User.objects.create_user("clerk"), "clerk may not decide"),
    ]:
        answer = client_of(owner).post(f"{URL}/{waiting.pk}/approve")
        assert answer.status_code == 403 and words in answer.json()["detail"]
    waiting.refresh_from_db()
    assert waiting.status == "waiting"


def test_bad_input(waiting):
    client = client_of(User.objects.create_superuser("bert"))
    assert client.post(f"{URL}/999/approve").status_code == 404
    assert client.get(URL, {"status": "lost"}).json()["errors"][0]["pointer"] == "#/status"
