from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import CompetitorPrice
from optimizer.models import OptimizationRun, Recommendation
from tests.factories import make_channel, make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    listings = [make_listing(list_price=Decimal(8 + number), unit_cost=Decimal("5.00")) for number in range(12)]
    for listing in listings:
        CompetitorPrice.objects.create(
            listing=listing, competitor="rival", price=listing.list_price, observed_at=timezone.now()
        )
    make_fit(make_channel(), listings, mean=-2.0)
    return listings


def tuned(*arguments: str) -> str:
    out = StringIO()
    call_command("tune_guardrails", *arguments, stdout=out)
    return out.getvalue()


def test_it_finds_the_limits_that_bring_most_and_changes_nothing(shop, capsys):
    said = tuned("--max-change", "0.02:0.3", "--trials", "12")
    # The wider the limit the more profit: it is found at the wide end.
    chosen = float(said.split("--max-change=")[1])
    assert chosen >= 0.25
    assert "simulate_prices --name tuned" in said
    assert "limits for profit" in capsys.readouterr().out
    assert not OptimizationRun.objects.exists() and not Recommendation.objects.exists()


def test_a_condition_on_the_size_of_changes_is_kept(shop):
    said = tuned("--max-change", "0.02:0.3", "--trials", "14", "--most-mean-change", "0.06")
    wide = float(said.split("--max-change=")[1])
    assert 0.03 <= wide <= 0.15


def test_two_knobs_that_cross_are_no_trial_that_fits(shop):
    said = tuned("--competitor-min=-0.1:0.1", "--competitor-max=-0.1:0.1", "--trials", "12")
    lowest, highest = (float(said.split(f"--competitor-{end}=")[1].split()[0]) for end in ("min", "max"))
    assert lowest <= highest


def test_where_no_limits_keep_the_conditions_the_nearest_is_named(shop):
    with pytest.raises(CommandError, match=r"none of 3 trials meets the conditions; the nearest misses revenue by \d"):
        tuned("--max-change", "0.02:0.3", "--trials", "3", "--least-revenue-change", "5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give at least one limit to try"),
        (("--max-change", "0.3:0.1"), "--max-change: '0.3:0.1' is no range: give two rising fractions"),
        (("--max-change", "wide"), "--max-change: 'wide' is no range"),
        (("--min-margin", "0.1:2"), "from 0 to 0.95"),
        (("--max-change", "0.1:0.2", "--trials", "0"), "--trials: give 1 or more"),
        (("--max-change", "0.1:0.2", "--channel", "moon"), "moon"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_one_line_with_the_cure(shop, arguments, message):
    with pytest.raises(CommandError, match=message) as caught:
        tuned(*arguments)
    assert caught.value.returncode == 2 and "\n" not in str(caught.value)


def test_without_elasticities_it_names_the_command_that_makes_them():
    make_listing()
    with pytest.raises(CommandError, match="fit_elasticities"):
        tuned("--max-change", "0.1:0.2")
