import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from catalog.models import AdminAction, Category
from tests.factories import make_listing

pytestmark = pytest.mark.django_db

CATEGORIES = "admin:catalog_category_add"


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def test_a_save_is_recorded_with_who_and_what_became_of_it(boss):
    boss.post(reverse(CATEGORIES), {"code": "mugs", "name": "Mugs", "_save": "Save"})
    assert Category.objects.filter(code="mugs").exists()
    action = AdminAction.objects.get()
    assert (action.user.username, action.method, action.path) == ("boss", "POST", reverse(CATEGORIES))
    assert (action.action, action.status) == ("_save", 302)


def test_reading_is_not_recorded(boss):
    boss.get(reverse(CATEGORIES))
    boss.get("/api/v1/openapi.json")
    assert not AdminAction.objects.exists()


def test_a_forbidden_click_is_recorded(client):
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    listing = make_listing()
    client.post(reverse("admin:catalog_listing_change", args=[listing.pk]), {"list_price": "1"})
    assert AdminAction.objects.get().status == 403


def test_a_failed_log_in_is_recorded_without_what_was_typed(client):
    client.post(reverse("admin:login"), {"username": "boss", "password": "guess-one"})
    action = AdminAction.objects.get()
    assert action.user is None and action.status == 200
    assert "guess-one" not in str(vars(action))


def test_a_page_that_fails_leaves_its_record(boss, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr("catalog.admin.products.CategoryAdmin.save_model", fail)
    with pytest.raises(RuntimeError):
        boss.post(reverse(CATEGORIES), {"code": "mugs", "name": "Mugs"})
    assert AdminAction.objects.filter(path=reverse(CATEGORIES)).exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalog_adminaction SET user_id = NULL",
        "UPDATE catalog_adminaction SET status = 200",
        "DELETE FROM catalog_adminaction",
    ],
)
def test_the_database_keeps_the_record(boss, statement):
    boss.post(reverse(CATEGORIES), {"code": "mugs", "name": "Mugs"})
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_page_of_activity_says_it_in_words(boss):
    boss.post(reverse(CATEGORIES), {"code": "mugs", "name": "Mugs", "_save": "Save"})
    text = boss.get(reverse("admin:catalog_adminaction_changelist")).content.decode()
    assert "boss" in text and "save" in text and "done" in text
