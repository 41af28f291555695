"""Random policies, costs and candidates through the public doors: no price that breaks a hard rule comes into force.

`benchmarks/guardrail_cases.py` puts millions of such cases to the pure code; these go through the doors themselves, and
the rules are stated anew here, in plain decimals.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import GuardrailPolicy, Listing, PriceChange
from catalog.models.access import Scope
from optimizer.models import ElasticityEstimate, OptimizationRun, Recommendation
from optimizer.services.open_run import open_run
from optimizer.tasks import optimize_prices, publish_prices
from tests.factories import make_api_key, make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db

CASES = 40
PENNY = Decimal("0.01")


@dataclass(frozen=True)
class Case:
    """A listing under a policy of its own, and the price that somebody wants for it."""

    listing: Listing
    policy: GuardrailPolicy
    wanted: Decimal

    @property
    def sku(self) -> str:
        return self.listing.product.sku


@pytest.fixture
def cases():
    rng = np.random.default_rng(20261126)

    def amount(low, high):
        return Decimal(int(rng.integers(low, high))) * PENNY

    def perhaps(value):
        return value if rng.random() < 0.6 else None

    found = []
    for number in range(CASES):
        cost = None if number % 5 == 0 else amount(100, 1_500) + Decimal(int(rng.integers(0, 100))) / 10_000
        listing = make_listing(f"S{number:03}", list_price=amount(400, 1_600), unit_cost=cost)
        floor, ceiling = perhaps(amount(100, 1_200)), perhaps(amount(1_200, 2_500))
        policy = GuardrailPolicy.objects.create(
            product=listing.product,
            currency="GBP",
            min_margin=perhaps(Decimal(int(rng.integers(0, 60))) / 100),
            map_price=perhaps(amount(100, 1_400)),
            floor=floor,
            ceiling=ceiling,
            max_change=Decimal(1),
        )
        found.append(Case(listing, policy, amount(50, 2_500)))
    return found


def breaks_a_hard_rule(case: Case, price: Decimal) -> bool:
    policy, cost = case.policy, case.listing.unit_cost

    def too_low(amount: Decimal) -> bool:
        return (
            amount < cost
            or amount - cost < (Decimal("0.15") if policy.min_margin is None else policy.min_margin) * amount
            or amount < (policy.map_price or 0)
            or amount < (policy.floor or 0)
        )

    above = policy.ceiling is not None and price > policy.ceiling
    return too_low(price) or (above and not too_low(price - PENNY))


def in_force() -> dict[str, Decimal]:
    return dict(Listing.objects.filter(price__isnull=False).values_list("product__sku", "price"))


# A run, by task and by command: what it publishes keeps every hard rule, and what moved a price has a name.


def run_by_task(cases, monkeypatch):
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)  # the queue, at once
    run = open_run(channel=cases[0].listing.channel, objective="profit", now=timezone.now())
    for chunk in run.chunks.all():
        optimize_prices(str(run.pk), chunk.first_pk, chunk.last_pk)


def run_by_command(cases, monkeypatch):
    call_command("optimize_prices")


@pytest.mark.parametrize("run", [run_by_task, run_by_command])
def test_what_a_run_publishes_keeps_every_hard_rule_and_every_clamp_is_named(cases, run, monkeypatch):
    fit = make_fit(cases[0].listing.channel, [case.listing for case in cases])
    for position, estimate in enumerate(ElasticityEstimate.objects.filter(fit=fit)):
        ElasticityEstimate.objects.filter(pk=estimate.pk).update(mean=-1.1 - 0.05 * position)
    run(cases, monkeypatch)
    assert OptimizationRun.objects.get().status == OptimizationRun.Status.SUCCEEDED
    rows = {row.listing_id: row for row in Recommendation.objects.all()}
    published = 0
    for case in cases:
        row = rows[case.listing.pk]
        if case.listing.unit_cost is None:
            assert (row.price, row.outcome_reason) == (None, "missing_cost")
            continue
        assert not breaks_a_hard_rule(case, row.price), case
        assert row.outcome in {"published", "unchanged"}
        published += row.outcome == "published"
        if row.explanation["candidate"] is None or Decimal(row.explanation["candidate"]) != row.price:
            assert row.binding_rule not in {"", "own_optimum"} and row.explanation["clamps"], case
    assert published == PriceChange.objects.count() > CASES / 3
    binding = set(Recommendation.objects.values_list("binding_rule", flat=True))
    assert {"min_margin", "map", "ceiling"} <= binding


# A person's price, by call, form, file and command: whatever the person wants, it is never below the cost.


def by_api(cases, folder):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.OVERRIDES_WRITE)}")
    for case in cases:
        body = {"sku": case.sku, "price": str(case.wanted), "reason": "Fair"}
        answer = client.post("/api/v1/price-overrides", body)
        assert answer.status_code == 201 or "Below the unit cost" in answer.json()["errors"][0]["detail"]


def manager():
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def by_admin(cases, folder):
    client, url = manager(), reverse("admin:catalog_priceoverride_add")
    for case in cases:
        form = {"listing": case.listing.pk, "kind": "override", "price": case.wanted, "reason": "Fair"}
        answer = client.post(url, form | {"time_zone": "UTC"})
        assert answer.status_code == 302 or b"Below the unit cost" in answer.content


def by_list_price(cases, folder):
    client = manager()
    for case in cases:
        url, cost = reverse("admin:catalog_listing_change", args=[case.listing.pk]), case.listing.unit_cost
        client.post(url, {"list_price": case.wanted, "unit_cost": "" if cost is None else cost, "inventory": "500"})


def by_upload(cases, folder):
    file = SimpleUploadedFile("prices.csv", csv_of(cases).encode())
    url, client = reverse("admin:catalog_priceoverride_upload"), manager()
    content = client.post(url, {"channel": "web", "file": file}).context["content"]
    client.post(url, {"channel": "web", "content": content, "apply": "1"})


def by_command(cases, folder):
    path = folder / "prices.csv"
    path.write_text(csv_of(cases))
    with pytest.raises(CommandError, match="rows are bad"):
        call_command("import_overrides", str(path), "--apply")


def csv_of(cases):
    rows = [f"{case.sku},{case.wanted},,,,override,Fair\n" for case in cases]
    return "sku,price,starts_at,ends_at,time_zone,kind,reason\n" + "".join(rows)


def by_sql(cases, folder):
    """Past every service: the ledger's row and the listing's price, as somebody at the database's prompt might try."""
    for case in cases:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    """
                    INSERT INTO catalog_pricechange
                           (listing_id, version, price, prior_price, valid_from, source, reason, idempotency_key,
                            binding_rule, explanation, personalised)
                    VALUES (%s, 1, %s, %s, now(), 'override', '', 'by hand', '', '{}', false)
                    """,
                    [case.listing.pk, case.wanted, case.wanted],
                )
                cursor.execute(
                    """
                    UPDATE catalog_listing
                       SET price = %s, price_version = 1, price_source = 'override', price_since = now() WHERE id = %s
                    """,
                    [case.wanted, case.listing.pk],
                )
        except IntegrityError as error:
            assert "below its unit cost" in str(error)


@pytest.mark.parametrize("door", [by_api, by_admin, by_list_price, by_upload, by_command, by_sql])
def test_a_persons_price_comes_into_force_unless_it_is_below_the_cost(cases, door, tmp_path):
    door(cases, tmp_path)
    cheap = {case.sku for case in cases if case.listing.unit_cost is not None and case.wanted < case.listing.unit_cost}
    assert 3 < len(cheap) < CASES - 3
    assert in_force() == {case.sku: case.wanted for case in cases if case.sku not in cheap}
