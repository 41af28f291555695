"""The unit cost rises between a decision and its publishing: whichever door the price comes through, it is refused.

Each door prepares a price while the unit cost is 6.00, lets it rise to 15.00, and returns what the door then said.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

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

from catalog.models import ApiKey, ApprovalPolicy, Listing, PriceApproval, PriceChange, PriceOverride, ServedExperiment
from catalog.models.access import Scope
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from catalog.tasks import apply_due_overrides
from experiments.models import PricingDecision
from experiments.services.streams import Advance
from optimizer.models import MarkdownPlan, MarkdownStep, Recommendation
from optimizer.services import replan_markdowns as markdowns
from optimizer.services.markdown_plans import start_markdown_plan
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.tasks import publish_prices, replan_markdown_plans, resume_stalled_runs
from streaming import handlers
from streaming.messages import Message
from streaming.topics import Topic
from tests.factories import make_listing, publish
from tests.optimizer.factories import make_fit
from tests.optimizer.simulations import computed

pytestmark = pytest.mark.django_db

API = "/api/v1"
RAISED = Decimal("15.00")


@dataclass
class Shop:
    """A listing at a price of 10.00 that cost 6.00, and a manager's ways in."""

    listing: Listing
    boss: User
    api: APIClient
    admin: Client
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    before_the_rise: tuple[int, Decimal | None] | None = None

    def raise_cost(self) -> None:
        Listing.objects.update(unit_cost=RAISED)
        self.before_the_rise = self.in_force()

    def in_force(self) -> tuple[int, Decimal | None]:
        """How long the ledger is, and the price in force."""
        return PriceChange.objects.count(), Listing.objects.get().price


@pytest.fixture
def shop(tmp_path, monkeypatch):
    listing = make_listing("85123A")
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    boss = User.objects.create_superuser("boss")
    api, admin = APIClient(), Client()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {ApiKey.issue(name='test', scopes=list(Scope.values), owner=boss)[1]}")
    admin.force_login(boss)
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)  # the queue, at once
    return Shop(listing, boss, api, admin, tmp_path, monkeypatch)


# Runs and simulations


def computed_run(shop):
    make_fit(shop.listing.channel, [shop.listing])
    run = open_run(channel=shop.listing.channel, objective="profit", key="tonight", now=timezone.now())
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    assert Recommendation.objects.get(run=run).price == Decimal("12.00")
    shop.raise_cost()
    return run


def run_by_task(shop):
    computed_run(shop)
    resume_stalled_runs()
    return Recommendation.objects.get().outcome_reason


def run_by_command(shop):
    computed_run(shop)
    call_command("optimize_prices", key="tonight")
    return Recommendation.objects.get().outcome_reason


def run_read_by_api(shop):
    run = computed_run(shop)
    resume_stalled_runs()
    (refused,) = shop.api.get(f"{API}/optimization-runs/{run.pk}/errors").json()["results"]
    return refused["reason"]


def simulation_by_api(shop):
    simulation = computed(shop.listing)
    shop.raise_cost()
    path = f"{API}/simulations/{simulation.run_id}/promote"
    answer = shop.api.post(path, headers={"If-Match": f'"{simulation.fingerprint}"'})
    assert answer.status_code == 412
    return answer.json()["moved"]["examples"][0]["reason"]


def simulation_by_admin(shop):
    simulation = computed(shop.listing)
    shop.raise_cost()
    url = reverse("admin:optimizer_simulation_promote", args=[simulation.run_id])
    return text_of(shop.admin.post(url, {"fingerprint": simulation.fingerprint}, follow=True))


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


# Overrides: asked for after the rise, or scheduled before it


def override_by_api(shop):
    shop.raise_cost()
    answer = shop.api.post(f"{API}/price-overrides", {"sku": "85123A", "price": "9.00", "reason": "Fair"})
    assert answer.status_code == 400
    return answer.json()["errors"][0]["detail"]


def override_by_admin(shop):
    shop.raise_cost()
    form = {"listing": shop.listing.pk, "kind": "override", "price": "9.00", "reason": "Fair", "time_zone": "UTC"}
    return text_of(shop.admin.post(reverse("admin:catalog_priceoverride_add"), form))


def overrides_file(shop):
    path = shop.folder / "prices.csv"
    path.write_text("sku,price,starts_at,ends_at,time_zone,kind,reason\n85123A,9.00,,,,override,Fair\n")
    return path


def overrides_by_command(shop):
    path = overrides_file(shop)
    shop.raise_cost()
    with pytest.raises(CommandError, match="1 of 1 rows are bad"):
        call_command("import_overrides", str(path), "--apply")
    return path.with_name("prices.csv.errors.csv").read_text()


def overrides_by_upload(shop):
    """Previewed before the rise, applied after it."""
    url = reverse("admin:catalog_priceoverride_upload")
    file = SimpleUploadedFile("prices.csv", overrides_file(shop).read_bytes())
    preview = shop.admin.post(url, {"channel": "web", "file": file})
    assert "£9.00" in text_of(preview)
    shop.raise_cost()
    return text_of(shop.admin.post(url, {"channel": "web", "content": preview.context["content"], "apply": "1"}))


def scheduled_override(shop):
    start = timezone.now() + timedelta(seconds=0.2)
    body = {"sku": "85123A", "price": "9.00", "reason": "Fair", "starts_at": start.isoformat()}
    assert shop.api.post(f"{API}/price-overrides", body).status_code == 201
    shop.raise_cost()
    while timezone.now() < start:
        pass
    apply_due_overrides()
    return PriceOverride.objects.get().refused_because


# Approval


def waiting_approval(shop):
    ApprovalPolicy.objects.create(max_change="0.05")
    publish(shop.listing, "9.00", source=PriceSource.OVERRIDE, author=User.objects.create_user("anna"))
    shop.raise_cost()
    return PriceApproval.objects.get(status="waiting").pk


def approval_by_api(shop):
    answer = shop.api.post(f"{API}/price-approvals/{waiting_approval(shop)}/approve")
    assert answer.status_code == 409
    return answer.json()["detail"]


def approval_by_admin(shop):
    url = reverse("admin:catalog_priceapproval_decide", args=[waiting_approval(shop)])
    return text_of(shop.admin.post(url, {"decision": "approve"}, follow=True))


def approvals_in_bulk(shop):
    selected = {"action": "approve_selected", "_selected_action": [waiting_approval(shop)]}
    return text_of(shop.admin.post(reverse("admin:catalog_priceapproval_changelist"), selected, follow=True))


# Rollback: the price before the run costs more than it brings today


def published_run(shop):
    run_id = uuid.uuid4()
    publish(shop.listing, "11.00", run_id=run_id)
    shop.raise_cost()
    return run_id


def rollback_by_command(shop):
    run_id = published_run(shop)
    call_command("roll_back_run", str(run_id), reason="wrong costs", stdout=(said := shop.folder / "said").open("w"))
    return said.read_text()


def rollback_by_api(shop):
    run = computed_run(shop)
    Listing.objects.update(unit_cost=6)
    resume_stalled_runs()
    shop.raise_cost()
    url = f"{API}/optimization-runs/{run.pk}/rollback"
    assert shop.api.post(url, {"reason": "wrong costs"}).json()["refused"] == 1
    return shop.api.get(url).json()["results"][0]["reason"]


def rollback_by_admin(shop):
    run = computed_run(shop)
    Listing.objects.update(unit_cost=6)
    resume_stalled_runs()
    shop.raise_cost()
    url = reverse("admin:optimizer_optimizationrun_roll_back", args=[run.pk])
    said = text_of(shop.admin.get(url))
    assert "0 prices restored, 0 changed since and left, 1 refused" in text_of(
        shop.admin.post(url, {"reason": "wrong costs"}, follow=True)
    )
    return said


# Markdown: the cost rises between the plan's decision and the gate


def markdown_by(shop, replan):
    today = timezone.localdate()
    make_fit(shop.listing.channel, [shop.listing])
    dates = {"starts_on": today, "ends_on": today + timedelta(days=27)}
    plan = MarkdownPlan(listing=shop.listing, created_at=timezone.now(), penalty=Decimal(2), reason="Winter", **dates)
    start_markdown_plan(plan=plan, now=timezone.now())
    gate = markdowns.publish_prices

    def raised_just_before(**fields):
        shop.raise_cost()
        return gate(**fields)

    shop.monkeypatch.setattr(markdowns, "publish_prices", raised_just_before)
    replan()
    return MarkdownStep.objects.get().outcome_reason


def markdown_by_task(shop):
    return markdown_by(shop, replan_markdown_plans)


def markdown_by_command(shop):
    return markdown_by(shop, lambda: call_command("replan_markdowns"))


# List prices


def list_price_by_admin(shop):
    shop.raise_cost()
    url = reverse("admin:catalog_listing_change", args=[shop.listing.pk])
    form = {"list_price": "9.00", "unit_cost": "15.00", "inventory": "500"}
    return text_of(shop.admin.post(url, form, follow=True))


def list_price_by_file(shop):
    """A file says nothing of a single price; the ledger and the price in force stay as they were."""
    shop.raise_cost()
    path = shop.folder / "sales.csv"
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    path.write_text(header + "536365,85123A,HEART HOLDER,6,2010-12-01T08:26:00,8.55,17850,United Kingdom\n")
    call_command("import_sales", str(path))
    shop.listing.refresh_from_db()
    assert shop.listing.list_price == Decimal("8.55")
    return "loss_floor"


# Arms, and SQL past every service


def arms(shop):
    shop.raise_cost()
    report = serve_arms(
        channel=shop.listing.channel,
        experiment="test",
        salt="salt",
        unit=ServedExperiment.Unit.REGION,
        arms={shop.listing.pk: [Arm("now", 5_000, Decimal(10)), Arm("more", 5_000, Decimal(11))]},
        now=timezone.now(),
    )
    assert not ServedExperiment.objects.exists()
    return report.refused[shop.listing.pk]


INSERT = """
INSERT INTO catalog_pricechange
       (listing_id, version, price, prior_price, floor, valid_from, source, reason, idempotency_key, binding_rule,
        explanation, personalised)
VALUES (%s, 2, 9, 9, 0.01, now(), 'optimizer', '', 'by hand', '', '{}', false)
"""


def sql_into_the_ledger(shop):
    return refused_sql(shop, INSERT)


def sql_into_the_listing(shop):
    return refused_sql(shop, "UPDATE catalog_listing SET price = 9 WHERE id = %s")


def refused_sql(shop, statement):
    shop.raise_cost()
    with pytest.raises(IntegrityError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [shop.listing.pk])
    return str(error.value)


BELOW = "Below the unit cost"
WORDS = "the price would break a rule: the unit cost"
DOORS = [
    (run_by_task, "loss_floor"),
    (run_by_command, "loss_floor"),
    (run_read_by_api, "loss_floor"),
    (simulation_by_api, "unit_cost"),
    (simulation_by_admin, "85123A (unit_cost)"),
    (override_by_api, BELOW),
    (override_by_admin, BELOW),
    (overrides_by_command, BELOW),
    (overrides_by_upload, BELOW),
    (scheduled_override, "loss_floor"),
    (approval_by_api, "loss_floor"),
    (approval_by_admin, WORDS),
    (approvals_in_bulk, WORDS),
    (rollback_by_command, "85123A at 10: loss_floor"),
    (rollback_by_api, "loss_floor"),
    (rollback_by_admin, WORDS),
    (markdown_by_task, "loss_floor"),
    (markdown_by_command, "loss_floor"),
    (list_price_by_admin, BELOW),
    (list_price_by_file, "loss_floor"),
    (arms, "loss_floor"),
    (sql_into_the_ledger, "below its unit cost"),
    (sql_into_the_listing, "ledger"),
]


@pytest.mark.parametrize(("door", "words"), DOORS, ids=[door.__name__ for door, _ in DOORS])
def test_a_price_below_the_cost_that_rose_comes_through_no_door(shop, door, words):
    assert words in door(shop)
    assert shop.before_the_rise is not None and shop.in_force() == shop.before_the_rise


def test_the_bandit_offers_no_price_below_the_cost_that_rose(shop):
    def decide(offset):
        event = Topic.DEMAND_EVENTS.schema["examples"][0] | {"event_id": str(uuid.uuid4()), "sku": "85123A"}
        handlers.handle_batch(
            messages=[Message(Topic.DEMAND_EVENTS, 0, offset, json.dumps(event).encode())],
            cluster="c",
            advances={("demand_events", 0): Advance(offset or None, offset + 1)},
            now=timezone.now(),
            rng=np.random.default_rng(0),
        )
        return PricingDecision.objects.latest("decided_at").price

    assert decide(0) < RAISED
    shop.raise_cost()
    assert decide(1) > RAISED
