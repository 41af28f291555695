from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Category, Listing, PriceChange
from optimizer.admin import simulations as module
from optimizer.assumptions import Assumptions, CostChange
from optimizer.models import Simulation
from tests.factories import make_listing
from tests.optimizer.factories import make_fit
from tests.optimizer.simulations import compute, computed

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(client: Client, simulation, query: str = "") -> str:
    url = reverse("admin:optimizer_simulation_change", args=[simulation.pk])
    response = client.get(url + query)
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def test_a_simulation_shows_its_effect_beside_the_live_prices(boss):
    simulation = computed(
        make_listing("85123A", name="HANGING HEART"),
        make_listing("COSTLESS", unit_cost=None),
        guardrails={"max_change": Decimal("0.05")},
        cost_changes=(CostChange(Decimal("0.02")),),
    )
    text = page(boss, simulation)
    for part in (
        "HANGING HEART", "£10.00", "£10.50", "+5 %", "Maximum change 5 %", "Costs of all products +2 %",
        "The maximum change", "The unit cost is unknown or zero", "Prices by size of their change", "(90 %)",
    ):  # fmt: skip
        assert part in text, part
    assert text.count("<svg") == 2
    listed = boss.get(reverse("admin:optimizer_simulation_changelist")).content.decode()
    assert "dearer" in listed and "computed" in listed.lower()


def test_a_simulated_price_names_what_was_supposed(boss):
    simulation = computed(
        make_listing(), guardrails={"min_margin": Decimal("0.45")}, cost_changes=(CostChange(Decimal("0.02")),)
    )
    url = reverse("admin:optimizer_recommendation_change", args=[simulation.run.recommendations.get().pk])
    text = boss.get(url).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    for part in ("What was supposed", "dearer", "45 %", "+2 % on £6.00", "£6.12", "what-if"):
        assert part in text, part


def test_the_diff_has_pages(boss, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_PAGE", 2)
    simulation = computed(*[make_listing(f"SKU{n}") for n in range(3)])
    first = page(boss, simulation)
    assert "SKU1" in first and "SKU2<" not in first
    after = first.split("?after=")[1].split('"')[0]
    second = page(boss, simulation, f"?after={after}")
    assert "SKU2<" in second and "SKU1<" not in second and "?after=" not in second
    page(boss, simulation, "?after=nonsense")


def test_the_button_promotes_what_the_page_showed(boss):
    simulation = computed(make_listing())
    text = page(boss, simulation)
    assert simulation.fingerprint in text and 'id="promote"' in text
    url = reverse("admin:optimizer_simulation_promote", args=[simulation.run_id])
    answer = boss.post(url, {"fingerprint": simulation.fingerprint}, follow=True).content.decode()
    assert "its prices are in force" in answer and 'id="promote"' not in answer
    assert "Before" in answer and "£10.00" in answer and "moved since" not in answer
    assert PriceChange.objects.get().author.get_username() == "boss"


def test_where_the_world_moved_the_page_says_what_moved(boss):
    simulation = computed(make_listing("85123A"))
    Listing.objects.update(unit_cost=7)
    url = reverse("admin:optimizer_simulation_promote", args=[simulation.run_id])
    answer = boss.post(url, {"fingerprint": simulation.fingerprint}, follow=True).content.decode()
    assert "Not promoted: 1 of 1 products moved" in answer and "85123A (unit_cost)" in answer
    assert boss.get(url).status_code == 405 and not PriceChange.objects.exists()


def test_who_may_not_open_runs_may_not_promote(client):
    simulation = computed(make_listing())
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    url = reverse("admin:optimizer_simulation_promote", args=[simulation.run_id])
    assert client.post(url, {"fingerprint": simulation.fingerprint}).status_code == 403
    assert not PriceChange.objects.exists()


def test_a_simulation_is_opened_on_its_form(boss, monkeypatch):
    sent = []
    monkeypatch.setattr("optimizer.tasks.optimize_prices.delay", lambda *message: sent.append(message))
    mug = make_listing("MUG", category=Category.objects.create(code="mugs", name="Mugs"))
    other = make_listing("OTHER")
    make_fit(mug.channel, [mug, other])
    url = reverse("admin:optimizer_simulation_add")
    assert "Nothing live changes" in boss.get(url).content.decode()
    body = {"name": "Mugs", "channel": mug.channel_id, "objective": "profit", "max_change": "5", "cost_change": "2.5"}
    wrong = boss.post(url, body | {"skus": "NOSUCH"}).content.decode()
    assert "not sold in channel" in wrong and not Simulation.objects.exists()
    answer = boss.post(url, body | {"categories": ["mugs"], "skus": "OTHER, OTHER"}, follow=True).content.decode()
    simulation = Simulation.objects.get()
    assert "Workers are computing it" in answer and simulation.author.get_username() == "boss"
    stored = Assumptions.from_dict(simulation.assumptions)
    assert stored.guardrails == {"max_change": Decimal("0.05")} and stored.cost_changes[0].change == Decimal("0.025")
    assert (stored.categories, stored.skus) == (("mugs",), ("OTHER",))
    compute(simulation)
    assert simulation.run.recommendations.count() == 2


def test_who_may_not_open_runs_may_not_simulate(client):
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    url = reverse("admin:optimizer_simulation_add")
    assert client.get(url).status_code == client.post(url, {"name": "x"}).status_code == 403
