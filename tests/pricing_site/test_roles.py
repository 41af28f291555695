import itertools

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from pricing_site.roles import ROLES, permissions_of, set_up_roles
from tests.factories import make_listing

pytestmark = pytest.mark.django_db


def person(role: str) -> Client:
    set_up_roles()
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def test_each_role_may_do_what_the_one_before_it_may():
    call_command("set_up_roles")
    held = [set(Group.objects.get(name=role).permissions.values_list("pk", flat=True)) for role in ROLES]
    assert all(before < after for before, after in itertools.pairwise(held))


def test_every_model_with_a_page_is_somebodys():
    from django.contrib import admin

    ours = {
        model._meta.label_lower
        for model in apps.get_models()
        if model._meta.app_label in {"catalog", "optimizer", "experiments"} and admin.site.is_registered(model)
    }
    seen = {name.replace(".view_", ".") for name in permissions_of("admin") if ".view_" in name}
    assert ours - seen == set()


def test_a_viewer_reads_and_changes_nothing():
    listing = make_listing()
    viewer = person("viewer")
    url = reverse("admin:catalog_listing_change", args=[listing.pk])
    assert viewer.get(url).status_code == 200
    assert viewer.post(url, {"list_price": "1.00"}).status_code == 403
    assert viewer.get(reverse("admin:catalog_apikey_changelist")).status_code == 403


def test_a_manager_changes_prices_and_lets_nobody_in():
    listing = make_listing()
    manager = person("manager")
    url = reverse("admin:catalog_listing_change", args=[listing.pk])
    fields = {"list_price": "11.00", "unit_cost": "6.00", "inventory": "5"}
    assert manager.post(url, fields).status_code == 302
    assert manager.get(reverse("admin:auth_user_changelist")).status_code == 403


def test_an_admin_makes_nobody_a_superuser_and_cannot_touch_one():
    admin = person("admin")
    other, boss = User.objects.create_user("other"), User.objects.create_superuser("boss")
    fields = {"username": "other", "first_name": "Ann", "is_superuser": "on", "is_active": "on"}
    fields |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert admin.post(reverse("admin:auth_user_change", args=[other.pk]), fields).status_code == 302
    other.refresh_from_db()
    assert other.first_name == "Ann" and not other.is_superuser
    assert admin.post(reverse("admin:auth_user_change", args=[boss.pk]), fields).status_code == 403
    assert admin.post(reverse("admin:auth_user_password_change", args=[boss.pk]), {}).status_code == 403


def test_a_role_loses_what_the_table_no_longer_gives_and_other_groups_stay():
    set_up_roles()
    own = Group.objects.create(name="buyers")
    viewer = Group.objects.get(name="viewer")
    own.permissions.set(viewer.permissions.all()[:1])
    extra = Group.objects.get(name="admin").permissions.exclude(pk__in=viewer.permissions.all()).first()
    viewer.permissions.add(extra)
    set_up_roles()
    assert extra not in viewer.permissions.all() and own.permissions.count() == 1
