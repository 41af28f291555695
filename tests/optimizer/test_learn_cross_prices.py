"""Training jobs that learn which products take sales from each other: asked for, stored, told, shown."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from catalog.admin.cells import admin_url
from catalog.models import Category, Listing, WeekConditions, WeeklySales
from optimizer.models import CrossElasticity, TrainingJob
from optimizer.selectors.cross_elasticities import newest_cross_job
from optimizer.services.open_training import open_cross
from optimizer.services.run_training import run_training
from optimizer.tasks import run_training as run_training_task
from tests.factories import make_api_client, make_channel, make_listing

pytestmark = pytest.mark.django_db

MONDAY, WEEKS = date(2010, 1, 4), 100
API = "/api/v1/training-jobs"


def sold(listings: list[Listing], elasticity: np.ndarray, *, weeks: int = WEEKS, seed: int = 7) -> None:
    """Make weekly sales of listings that answer to each other's prices."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.12, (weeks, len(listings)))
    units = np.exp(5 + moves @ elasticity.T + rng.normal(0, 0.1, moves.shape))
    WeeklySales.objects.bulk_create(
        WeeklySales(
            listing=listing,
            week=MONDAY + timedelta(weeks=week),
            units=max(1, round(float(units[week, at]))),
            price=Decimal(f"{10 * np.exp(moves[week, at]):.4f}"),
            revenue=1,
            orders=1,
        )
        for at, listing in enumerate(listings)
        for week in range(weeks)
    )


def mugs(size: int = 6) -> list[Listing]:
    """A category whose first two products take sales from each other, with its sales."""
    category = Category.objects.create(code="mugs", name="Mugs")
    listings = [make_listing(f"M{at}", category=category) for at in range(size)]
    elasticity = np.diag(np.full(size, -2.2))
    elasticity[0, 1] = elasticity[1, 0] = 0.8
    sold(listings, elasticity)
    return listings


def learned() -> TrainingJob:
    job = open_cross(channel=make_channel(), now=timezone.now())
    return run_training(job_id=job.pk, clock=timezone.now)


def test_the_products_that_take_sales_from_each_other_are_stored_and_told():
    first, second, *_ = mugs()
    job = learned()
    assert (job.status, job.steps_done, job.error) == ("done", 1, "")
    rows = {(row.listing_id, row.other_id): row for row in CrossElasticity.objects.all()}
    assert set(rows) == {(first.pk, second.pk), (second.pk, first.pk)}
    for row in rows.values():
        assert row.job == job and row.probability > 0.9
        assert row.mean == pytest.approx(0.8, abs=0.25) and 0 < row.sd < 0.2
    told = job.result
    assert (told["categories"], told["pairs_tried"], told["pairs_kept"]) == (1, 30, 2)
    strongest = max(rows.values(), key=lambda row: row.mean)
    names = {first.pk: "M0", second.pk: "M1"}
    assert told["strongest"][0] == [
        names[strongest.listing_id],
        names[strongest.other_id],
        strongest.mean,
        strongest.sd,
    ]


def test_the_same_sales_again_are_harmless_and_the_newest_job_that_is_done_counts():
    mugs()
    jobs = [learned(), learned()]
    assert jobs[0].result == jobs[1].result and CrossElasticity.objects.count() == 4
    assert newest_cross_job(channel=make_channel()) == jobs[1]
    open_cross(channel=make_channel(), now=timezone.now())
    assert newest_cross_job(channel=make_channel()) == jobs[1], "one that waits counts nothing yet"
    assert newest_cross_job(channel=make_channel("shop")) is None
    again = CrossElasticity.objects.filter(job=jobs[0]).first()
    again.pk = None
    with pytest.raises(IntegrityError, match="cross_once_per_job"):
        again.save()


def test_a_worker_lost_at_the_end_leaves_nothing_and_the_next_one_does_it(monkeypatch):
    mugs()
    job = open_cross(channel=make_channel(), now=timezone.now())

    def lost(*_, **__):
        raise ConnectionError

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr("optimizer.services.run_training._end", lost)
        run_training(job_id=job.pk, clock=timezone.now)
    assert not CrossElasticity.objects.exists()
    assert run_training(job_id=job.pk, clock=timezone.now).status == "done"
    assert CrossElasticity.objects.count() == 2


def test_categories_that_are_too_large_or_too_small_are_left_out_and_counted():
    mugs(2)
    for code, size in (("many", 81), ("one", 1)):
        category = Category.objects.create(code=code, name=code)
        sold([make_listing(category=category) for _ in range(size)], np.diag(np.full(size, -2.0)), weeks=8)
    job = learned()
    assert (job.result["categories"], job.result["too_large"], job.result["too_small"]) == (1, 1, 1)
    assert job.result["pairs_tried"] == 2


def test_weeks_on_promotion_say_nothing_of_demand():
    first, *_ = mugs()
    plain = learned().result["strongest"]
    for week in range(0, WEEKS, 4):
        monday = MONDAY + timedelta(weeks=week)
        WeekConditions.objects.create(listing=first, week=monday, promotion=Decimal(1))
        WeeklySales.objects.filter(listing=first, week=monday).update(units=4_000)
    promoted = learned().result["strongest"]
    assert promoted[0][2] == pytest.approx(plain[0][2], abs=0.15)


def test_where_nobody_takes_sales_nothing_is_kept_and_the_job_says_so(capsys):
    category = Category.objects.create(code="mugs", name="Mugs")
    sold([make_listing(category=category) for _ in range(5)], np.diag(np.full(5, -2.0)))
    call_command("learn_cross_prices")
    assert "of 20 pairs in 1 category 0 are supported by the sales" in " ".join(capsys.readouterr().out.split())


def test_the_command_shows_the_strongest_pairs_and_wants_sales(capsys):
    make_channel()
    for channel, cure in (("web", "import_sales"), ("nowhere", "no channel 'nowhere'")):
        with pytest.raises(CommandError, match=cure) as error:
            call_command("learn_cross_prices", channel=channel)
        assert error.value.returncode == 2
    assert not TrainingJob.objects.exists()
    mugs()
    call_command("learn_cross_prices")
    out = " ".join(capsys.readouterr().out.split())
    assert "M0" in out and "in 1 category 2 are supported" in out and TrainingJob.objects.get().kind == "cross"


def test_it_is_asked_for_through_the_api(monkeypatch, django_capture_on_commit_callbacks):
    mugs()
    monkeypatch.setattr("optimizer.tasks.run_training.delay", run_training_task)
    client = make_api_client()
    for field, value in {"method": "hierarchical", "other_channels": True}.items():
        refused = client.post(API, {"kind": "cross", field: value}, format="json")
        assert refused.status_code == 400 and "A job of kind cross has none" in str(refused.json())
    with django_capture_on_commit_callbacks(execute=True):
        location = client.post(API, {"kind": "cross"}, format="json")["Location"]
    done = client.get(location).json()
    assert (done["kind"], done["status"], done["result"]["pairs_kept"]) == ("cross", "done", 2)


def test_the_pages_say_what_was_found():
    first, second, *_ = mugs()
    job = learned()
    window = Client()
    window.force_login(User.objects.create_superuser("boss"))

    def page(name, *arguments, **query):
        text = window.get(admin_url(name, *arguments), query).content.decode()
        return text.replace("\N{NO-BREAK SPACE}", " ")

    assert "of 30 pairs in 1 category 2 are supported by the sales, the strongest M" in page(
        "optimizer_trainingjob_changelist"
    )
    assert f"?job__exact={job.pk}" in page("optimizer_trainingjob_change", job.pk)
    row = CrossElasticity.objects.get(listing=first)
    listed = page("optimizer_crosselasticity_changelist", job__exact=job.pk, q="M0")
    for part in (first.product.name, second.product.name, f"+{row.mean:.2f} ± {row.sd:.2f}", "100 %"):
        assert part in listed, part
    assert "Cross elasticities" in listed and "No results" not in listed
    one = page("optimizer_crosselasticity_change", row.pk)
    assert "M0 in web in the price of M1 in web" in one and 'name="_save"' not in one
