import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models.listing import PriceSource
from optimizer.models import OptimizationRun, Recommendation, RunGoals, RunLimits
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.solve_together import solve_together
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(client: Client, name: str, *arguments, **query) -> str:
    response = client.get(reverse(name, args=arguments), query)
    assert response.status_code == 200
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def finished_run(*listings) -> OptimizationRun:
    make_fit(listings[0].channel, list(listings))
    run = open_run(channel=listings[0].channel, objective="profit", now=timezone.now())
    for first_pk in run.chunks.values_list("first_pk", flat=True):
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
    return close_run(run_id=run.pk, now=timezone.now())


def test_the_first_page_works_on_an_empty_shop(boss):
    assert "No optimisation run yet" in page(boss, "admin:index")


def test_the_first_page_shows_the_newest_run_and_what_was_not_priced(boss):
    heart = make_listing("85123A", name="HANGING HEART")
    publish(heart, "10.00", source=PriceSource.LIST_PRICE)
    finished_run(heart, make_listing(unit_cost=None))
    text = page(boss, "admin:index")
    for part in ("SUCCEEDED", "succeeded", "The unit cost is unknown or zero", "HANGING HEART", "+20 %"):
        assert part.lower() in text.lower(), part


def test_products_show_the_elasticity_of_the_newest_fit(boss):
    listing = make_listing()
    make_fit(listing.channel, [listing], mean=-3.5)
    make_fit(listing.channel, [listing], mean=-1.25, sd=0.4)
    text = page(boss, "admin:catalog_listing_changelist")
    assert "−1.25" in text and "± 0.40" in text and "−3.50" not in text
    assert "−1.25 ± 0.40" in page(boss, "admin:catalog_listing_change", listing.pk)


def test_the_product_list_takes_the_same_queries_however_many_rows(boss):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(boss, "admin:catalog_listing_changelist")
        assert not [query for query in captured if "COUNT(" in query["sql"].upper()]
        return len(captured)

    finished_run(*[make_listing() for _ in range(3)])
    few = queries()
    finished_run(*[make_listing() for _ in range(30)])
    assert queries() == few


def test_a_price_replays_from_its_recorded_inputs_on_its_page(boss):
    listing = make_listing()
    finished_run(listing)
    text = page(boss, "admin:catalog_listing_change", listing.pk)
    assert "Replayed from its recorded inputs: the same price" in text and "Optimisation run" in text


def test_a_run_shows_guard_numbers_and_links_to_its_recommendations(boss):
    run = finished_run(make_listing(), make_listing(unit_cost=None))
    text = page(boss, "admin:optimizer_optimizationrun_change", run.pk)
    for part in ("Prices changed", "100 %", "1 raised, 0 lowered", f"run__exact={run.pk}", "outcome__exact=unpriced"):
        assert part in text, part


def test_a_failed_run_shows_its_error(boss):
    run = finished_run(make_listing())
    OptimizationRun.objects.filter(pk=run.pk).update(status="failed", error="out of memory", guard_numbers={})
    assert "out of memory" in page(boss, "admin:optimizer_optimizationrun_change", run.pk)
    assert "out of memory" in page(boss, "admin:index")


def test_recommendations_are_filtered_by_run_outcome_reason_and_rule(boss):
    run = finished_run(make_listing("PRICED"), make_listing("COSTLESS", unit_cost=None))
    name = "admin:optimizer_recommendation_changelist"
    unpriced = page(boss, name, run__exact=run.pk, outcome__exact="unpriced")
    assert "COSTLESS" in unpriced and "PRICED" not in unpriced.replace("not priced", "").replace("NOT PRICED", "")
    assert "COSTLESS" in page(boss, name, run__exact=run.pk, outcome_reason__exact="missing_cost")
    rule = Recommendation.objects.get(listing__product__sku="PRICED").binding_rule
    bound = page(boss, name, binding_rule__exact=rule)
    assert "PRICED" in bound and "COSTLESS" not in bound


@pytest.mark.parametrize("name", ["optimizationrun", "recommendation", "elasticityfit", "elasticityestimate"])
def test_what_the_optimiser_writes_is_read_only(boss, name):
    run = finished_run(make_listing())
    pk = {"optimizationrun": run.pk, "elasticityfit": run.fit_id}.get(name)
    pk = pk or {"recommendation": run.recommendations, "elasticityestimate": run.fit.estimates}[name].get().pk
    assert boss.get(reverse(f"admin:optimizer_{name}_add")).status_code == 403
    url = reverse(f"admin:optimizer_{name}_change", args=[pk])
    assert boss.get(url).status_code == 200 and boss.post(url, {}).status_code == 403
    assert boss.post(reverse(f"admin:optimizer_{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_run_limits_are_written_in_per_cent(boss):
    add = reverse("admin:optimizer_runlimits_add")
    boss.post(add, {"channel": make_channel().pk, "max_share_changed": "60", "max_skus_changed": "5000"})
    limits = RunLimits.objects.get()
    assert float(limits.max_share_changed) == 0.6 and limits.max_revenue_drop is None
    assert limits.max_skus_changed == 5000 and "5,000" in page(boss, "admin:optimizer_runlimits_changelist")


def test_run_goals_are_written_in_per_cent_and_told_on_the_run(boss):
    listings = [make_listing() for _ in range(4)]
    channel = listings[0].channel
    add = reverse("admin:optimizer_rungoals_add")
    crossed = {"channel": channel.pk, "index_low": "105", "index_high": "95"}
    assert "cannot be at least more than" in boss.post(add, crossed).content.decode()
    boss.post(add, {"channel": channel.pk, "least_revenue_change": "-1.5", "most_changes": "2", "index_high": "104"})
    goals = RunGoals.objects.get()
    assert goals.as_dict() == {"least_revenue_change": -0.015, "most_changes": 2, "index_high": 1.04}
    text = page(boss, "admin:optimizer_rungoals_changelist")
    assert "−1.5 %" in text and "at most 104 %" in text
    make_fit(channel, listings)
    run = open_run(channel=channel, objective="profit", now=timezone.now())
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    solve_together(run_id=run.pk, now=timezone.now())
    close_run(run_id=run.pk, now=timezone.now())
    text = page(boss, "admin:optimizer_optimizationrun_change", run.pk)
    assert "no choice that meets the goals brings more than" in text
    assert "Budget of price changes: one change less costs" in text
