"""The bandit's pages: what it learned, who decides, what others would have earned, and what could not be used."""

import uuid

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from experiments.models import BanditContext, BanditExperiment, Challenger, DeadLetter, OutboxBatch
from experiments.services.decide_prices import DemandEvent, decide_prices
from experiments.services.record_outcomes import Outcome, record_outcomes
from tests.factories import make_channel, make_listing

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def market():
    """Three hundred decisions, of which two fifths were paid."""
    make_listing("A")
    events = [DemandEvent(uuid.uuid4(), "web", "A", f"place-{n % 2}", 1, 1, NOW) for n in range(300)]
    decided = decide_prices(events=events, now=NOW, rng=np.random.default_rng(0)).decided
    record_outcomes(outcomes=[Outcome(each.decision_id, n % 5 < 2, NOW) for n, each in enumerate(decided)], now=NOW)


def page(client, name, *arguments, **query):
    response = client.get(reverse(f"admin:experiments_{name}", args=arguments), query)
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def test_the_list_of_contexts_says_how_far_the_bandit_is_and_who_decided(boss, market):
    text = page(boss, "banditcontext_changelist")
    assert "of the last 300 decisions in web were at the price that is now thought best, in 2 contexts" in text
    assert "Share of decisions at the price now thought best" in text
    assert "Beta–Bernoulli Thompson sampling" in text


def test_a_context_shows_what_is_believed_of_each_price(boss, market, django_assert_max_num_queries):
    context = BanditContext.objects.first()
    with django_assert_max_num_queries(20):
        text = page(boss, "banditcontext_change", context.pk)
    assert "Expected reward a shopper by price" in text and "thought best" in text
    assert all(f"£{price}" in text for price in ("9.00", "9.50", "10.00", "10.50", "11.00"))


def test_before_anything_was_decided_the_page_says_what_to_start(boss):
    make_channel()
    assert "start run_bandit and relay_outbox" in page(boss, "banditcontext_changelist")


def test_what_others_would_have_earned_is_drawn_with_intervals(boss, market):
    assert "Evaluate" in page(boss, "banditexperiment_evaluation")
    today = timezone.localdate().isoformat()
    text = page(boss, "banditexperiment_evaluation", channel=make_channel().pk, since=today, until=today)
    assert "doubly robust, with 95 % intervals" in text and "list price" in text and "uniform" in text
    late = page(boss, "banditexperiment_evaluation", channel=make_channel().pk, since="2031-01-02", until="2031-01-01")
    assert "choose an earlier day" in late


def policies_form(**fields):
    rows = {"challengers-TOTAL_FORMS": "0", "challengers-INITIAL_FORMS": "0"}
    return (
        {"channel": make_channel().pk, "category": "", "champion": "demand_curve_bank", "worth": "price"}
        | rows
        | fields
    )


def challengers(*rows):
    fields = {"challengers-TOTAL_FORMS": str(len(rows))}
    for number, (policy, share) in enumerate(rows):
        fields |= {f"challengers-{number}-policy": policy, f"challengers-{number}-share": str(share)}
    return fields


def test_a_manager_chooses_champion_challengers_and_what_a_purchase_is_worth(client):
    call_command("set_up_roles", verbosity=0)
    manager = User.objects.create_user("manager", is_staff=True)
    manager.groups.add(manager.groups.model.objects.get(name="manager"))
    client.force_login(manager)
    url = reverse("admin:experiments_banditexperiment_add")
    body = policies_form(worth="margin", **challengers(("discounted", 20), ("pooled_prior", 15)))
    assert client.post(url, body).status_code == 302
    experiment = BanditExperiment.objects.get()
    assert (experiment.champion, experiment.worth) == ("demand_curve_bank", "margin")
    assert set(Challenger.objects.values_list("policy", "share")) == {("discounted", 20), ("pooled_prior", 15)}
    assert "discounted: older outcomes weigh less, 20 %" in page(client, "banditexperiment_changelist")
    again = client.post(url, policies_form())
    assert "These listings have an experiment already: edit that one." in again.content.decode()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("discounted", 60), ("pooled_prior", 40)], "leave the champion 10 % at least"),
        ([("discounted", 0)], "greater than or equal to 1"),
        ([("demand_curve_bank", 10)], "The champion cannot challenge itself"),
    ],
)
def test_shares_that_cannot_be_are_refused_with_the_cure(boss, rows, words):
    answer = boss.post(reverse("admin:experiments_banditexperiment_add"), policies_form(**challengers(*rows)))
    assert answer.status_code == 200 and words in answer.content.decode()
    assert not BanditExperiment.objects.exists()


def test_dead_letters_are_sent_once_more_by_a_button_each_once(boss):
    letter = DeadLetter.objects.create(
        topic="demand_events", partition=1, offset=2, reason="unknown_listing", payload=b"{}", failed_at=NOW
    )
    url = reverse("admin:experiments_deadletter_changelist")
    for words in ("1 wait in the outbox", "0 wait in the outbox"):
        answer = boss.post(url, {"action": "send_once_more", "_selected_action": [letter.pk]}, follow=True)
        assert words in answer.content.decode()
    assert OutboxBatch.objects.get().replay_of == letter.pk


def test_a_viewer_cannot_send_letters_or_choose_policies(client):
    call_command("set_up_roles", verbosity=0)
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.groups.add(viewer.groups.model.objects.get(name="viewer"))
    client.force_login(viewer)
    assert client.get(reverse("admin:experiments_banditexperiment_add")).status_code == 403
    assert "send_once_more" not in page(client, "deadletter_changelist")
    assert page(client, "banditexperiment_evaluation")
