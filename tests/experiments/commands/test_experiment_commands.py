"""Plan, start, stop and decide from a terminal."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from catalog.models import ApprovalPolicy, Listing
from experiments.models import HoldoutListing, PriceExperiment
from tests.experiments.shop import make_draft, make_shop
from tests.factories import make_channel

pytestmark = pytest.mark.django_db

PLAN = {
    "code": "autumn",
    "name": "Autumn",
    "hypothesis": "Shoppers do not mind.",
    "channel": "web",
    "horizon_days": 28,
    "minimum_effect": "0.05",
    "arms": [{"name": "control", "share": 5000}, {"name": "dearer", "share": 5000, "price_change": "0.05"}],
    "guardrails": [{"metric": "units", "tolerated_loss": "0.1"}],
}
TOML = """
code = "autumn"
name = "Autumn"
hypothesis = "Shoppers do not mind."
channel = "web"
horizon_days = 28
minimum_effect = "0.05"
arms = [{name = "control", share = 5000}, {name = "dearer", share = 5000, price_change = "0.05"}]
"""


def said(capsys, *arguments):
    call_command(*arguments)
    return capsys.readouterr().out


def test_from_options_to_promoted_prices(capsys):
    make_shop()
    planned = said(capsys, "experiment_plan", "spring", "--change", "0.05", "--days", "28", "--submit")
    assert "dearer" in planned and "+5.0%" in planned and "28 days" in planned
    assert "spring is in review" in planned
    assert "spring runs" in said(capsys, "experiment_start", "spring")
    assert "spring is stopped" in said(capsys, "experiment_stop", "spring", "--reason", "Enough seen")
    promoted = said(capsys, "experiment_decide", "spring", "--promote", "dearer")
    assert promoted.startswith("24 prices published, 0 were before, 0 wait for a second person, 0 refused")
    assert "0 prices published, 24 were before" in said(capsys, "experiment_decide", "spring", "--promote", "dearer")
    assert Listing.objects.filter(price="10.50").count() == 24


@pytest.mark.parametrize(("name", "text"), [("plan.json", json.dumps(PLAN)), ("plan.toml", TOML)])
def test_a_file_is_drafted_and_planned(capsys, tmp_path, name, text):
    make_shop()
    path = tmp_path / name
    path.write_text(text)
    assert "autumn" in said(capsys, "experiment_plan", "--file", str(path))
    row = PriceExperiment.objects.get(code="autumn")
    assert row.status == "draft" and row.plan["listings"] == 24 and row.created_by.startswith("command, ")
    assert "dearer" in said(capsys, "experiment_plan", "autumn")


def test_a_plan_says_why_listings_are_not_tried(capsys):
    listings = make_shop()
    HoldoutListing.objects.create(listing=listings[0], since="2026-01-01T00:00Z")
    planned = said(capsys, "experiment_plan", "spring", "--change", "-0.05", "--days", "14")
    assert "it is held out" in planned and "C0-00" in planned and "note: " in planned


def test_no_price_moves_where_it_is_kept(capsys):
    make_shop()
    said(capsys, "experiment_plan", "spring", "--change", "0.05", "--days", "28", "--submit")
    said(capsys, "experiment_start", "spring")
    said(capsys, "experiment_stop", "spring", "--reason", "x")
    assert "decided" in said(capsys, "experiment_decide", "spring", "--decision", "kept")
    assert PriceExperiment.objects.get().decision == "kept"


def test_a_second_person_starts_it(capsys):
    make_shop()
    ApprovalPolicy.objects.create(max_change="0.01")
    User.objects.create_user("bob")
    said(capsys, "experiment_plan", "spring", "--change", "0.05", "--days", "28", "--submit")
    with pytest.raises(CommandError, match="somebody else"):
        call_command("experiment_start", "spring")
    assert "spring runs" in said(capsys, "experiment_start", "spring", "--author", "bob")


def test_hold_out_draws_and_says(capsys):
    make_shop(categories=10, products=10)
    assert "listings are held out" in said(capsys, "hold_out", "--share", "0.2")
    assert HoldoutListing.objects.count() > 5
    assert said(capsys, "hold_out").startswith("nothing to compare")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["experiment_plan"], "give the code of a draft"),
        (["experiment_plan", "moon"], "No price experiment 'moon'"),
        (["experiment_plan", "new", "--change", "much"], "price_change: A valid number is required"),
        (["experiment_plan", "new", "--change", "0.05", "--method", "spending"], "need a horizon"),
        (["experiment_plan", "new", "--change", "0.05", "--channel", "moon"], "channel: no channel 'moon'"),
        (["experiment_plan", "known", "--change", "0.05", "--days", "9"], "code: .*already exists"),
        (["experiment_plan", "--file", "/nowhere.json"], "cannot be read"),
        (["experiment_start", "known"], "is draft: it must be in review"),
        (["experiment_stop", "known", "--reason", "x"], "must be running"),
        (["experiment_decide", "known", "--promote", "dearer"], "must be stopped"),
        (["experiment_decide", "known", "--decision", "kept"], "must be stopped"),
        (["hold_out", "--share", "0.9"], "--share: share: got 9000"),
        (["hold_out", "--channel", "moon"], "no channel 'moon'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, words):
    make_channel()
    make_draft("known")
    with pytest.raises(CommandError, match=words) as raised:
        call_command(*arguments)
    assert raised.value.returncode == 2 and "\n" not in str(raised.value)
    assert PriceExperiment.objects.count() == 1


@pytest.mark.parametrize(("text", "words"), [("{", "is no json"), ("[]", "give one experiment"), ("{}", "code: ")])
def test_a_bad_file_is_one_line_and_code_2(tmp_path, text, words):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=words) as raised:
        call_command("experiment_plan", "--file", str(path))
    assert raised.value.returncode == 2
