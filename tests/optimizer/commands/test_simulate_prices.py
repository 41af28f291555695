from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Category, PriceChange
from optimizer.models import Recommendation, Simulation
from tests.factories import make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


def test_a_simulation_is_computed_and_its_etag_printed(capsys):
    category = Category.objects.create(code="mugs", name="Mugs")
    mug = make_listing(category=category)
    make_fit(mug.channel, [mug, make_listing()])
    for _ in range(2):
        call_command(
            "simulate_prices",
            name="mugs",
            category=["mugs"],
            max_change="0.05",
            cost_change=["mugs=0.01"],
            key="monday",
        )
    out, simulation = capsys.readouterr().out, Simulation.objects.get()
    assert str(simulation.run_id) in out and f'ETag: "{simulation.fingerprint}"' in out
    assert simulation.assumptions == {
        "guardrails": {"max_change": "0.05"},
        "cost_changes": [{"change": "0.01", "category": "mugs"}],
        "categories": ["mugs"],
    }
    assert Recommendation.objects.get().price == Decimal("10.50") and not PriceChange.objects.exists()


@pytest.mark.parametrize(
    ("fields", "cure"),
    [
        ({"min_margin": "much"}, "--min-margin: 'much' is no number"),
        ({"min_margin": "2"}, "guardrails.min_margin: got 2"),
        ({"cost_change": ["mugs"]}, "--cost-change: 'mugs' is no number"),
        ({"sku": ["NOSUCH"]}, "skus: not sold"),
        ({"channel": "shop"}, "channels: web"),
        ({}, "fit_elasticities"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(fields, cure):
    make_listing()
    with pytest.raises(CommandError, match=cure) as error:
        call_command("simulate_prices", name="x", **fields)
    assert error.value.returncode == 2 and "\n" not in str(error.value)
