"""Versions of the demand model: judged on held-out weeks, and live only where they are good."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from catalog.admin.cells import admin_url
from catalog.models import Category, Listing, Product, WeeklySales
from optimizer.engine import ElasticityConfig
from optimizer.engine.hierarchy import Effect, HierarchyConfig
from optimizer.models import ElasticityEstimate, ElasticityFit, TrainingJob
from optimizer.selectors.live_models import live_fit
from optimizer.selectors.model_validation import validation_words
from optimizer.services.channel_sales import channel_sales
from optimizer.services.demand_methods import VERSIONS, config_as_dict, config_from_dict
from optimizer.services.evaluate_fit import evaluate_fit
from optimizer.services.fit_elasticities import fit_channel
from optimizer.services.open_run import CannotOptimize, open_run
from optimizer.services.promote_fit import NotPromoted, promote_fit
from optimizer.services.train_model import train_model
from optimizer.tasks import run_training as run_training_task
from optimizer.tasks import train_models
from tests.factories import make_channel

pytestmark = pytest.mark.django_db

MONDAY, SKUS = date(2011, 1, 3), 40
BAD = ElasticityConfig(elasticity_mean=1.0, elasticity_sd=0.05)


def a_shop(*, weeks: int = 30, first: int = 0) -> None:
    """Make products of four categories, and their sales, with elasticities around -2.2."""
    channel = make_channel()
    if not Listing.objects.exists():
        categories = [Category.objects.create(code=f"c{n}", name=f"c{n}") for n in range(4)]
        products = [Product(sku=f"S{n:03}", name=f"S{n}", category=categories[n % 4]) for n in range(SKUS)]
        Product.objects.bulk_create(products)
        Listing.objects.bulk_create(
            Listing(product=product, channel=channel, list_price=Decimal(10), unit_cost=Decimal(6))
            for product in products
        )
    rng = np.random.default_rng(5)
    truth, level = rng.normal(-2.2, 0.3, SKUS), rng.normal(4, 0.5, SKUS)
    price, noise = rng.normal(0, 0.12, (SKUS, 200)), rng.normal(0, 0.2, (SKUS, 200))
    WeeklySales.objects.bulk_create(
        WeeklySales(
            listing=listing,
            week=MONDAY + timedelta(weeks=week),
            units=max(1, round(float(np.exp(level[n] + truth[n] * price[n, week] + noise[n, week])))),
            price=Decimal(f"{10 * np.exp(price[n, week]):.4f}"),
            revenue=1,
            orders=1,
        )
        for n, listing in enumerate(Listing.objects.order_by("pk"))
        for week in range(first, first + weeks)
    )


def fitted(**fields) -> ElasticityFit:
    return evaluate_fit(fit=fit_channel(channel=make_channel(), now=timezone.now(), **fields), now=timezone.now())


def promoted(fit: ElasticityFit, author: User | None = None) -> ElasticityFit:
    return promote_fit(fit_id=fit.pk, author=author, now=timezone.now())


def test_the_first_model_goes_live_and_runs_price_with_it():
    a_shop()
    fit = fit_channel(channel=make_channel(), now=timezone.now())
    with pytest.raises(CannotOptimize, match="no elasticities"):
        open_run(channel=make_channel(), objective="profit", now=timezone.now())
    with pytest.raises(NotPromoted, match=r"was not judged against any model: run `manage.py evaluate_model"):
        promoted(fit)
    evaluate_fit(fit=fit, now=timezone.now())
    assert fit.verdict["passes"] and fit.verdict["comparison"]["low"] > 0.1  # better than prices that change nothing
    boss = User.objects.create_user("boss")
    assert promoted(fit, boss).promoted_by == boss
    assert live_fit(channel=make_channel()) == fit
    assert open_run(channel=make_channel(), objective="profit", now=timezone.now()).fit == fit
    first_time = promoted(fit).promoted_at
    assert promoted(fit).promoted_at == first_time


def test_a_worse_model_is_refused_with_the_numbers():
    a_shop()
    live = promoted(fitted())
    worse = fitted(config=BAD)
    assert not worse.verdict["passes"] and worse.verdict["comparison"]["high"] < 0
    with pytest.raises(NotPromoted, match=r"stays out: its error of \d+ held-out price changes, of 40 SKUs, .* worse"):
        promoted(worse)
    assert live_fit(channel=make_channel()) == live


def test_a_better_model_takes_the_place_of_a_bad_one():
    a_shop()
    bad = fit_channel(channel=make_channel(), now=timezone.now(), config=BAD)
    promoted(evaluate_fit(fit=bad, now=timezone.now()))
    better = fitted(method="hierarchical")
    assert better.verdict["passes"] and better.verdict["comparison"]["low"] > 0
    assert promoted(better) == live_fit(channel=make_channel())


def test_as_good_as_the_live_one_is_not_enough_for_another_configuration():
    a_shop()
    promoted(fitted())
    same = fitted(config=ElasticityConfig(noise_iterations=6))
    assert not same.verdict["passes"] and abs(same.verdict["comparison"]["improvement"]) < 0.01
    with pytest.raises(NotPromoted, match="not better for 95% of resampled SKUs"):
        promoted(same)


def test_the_same_configuration_goes_live_again_with_newer_sales():
    a_shop()
    live = promoted(fitted())
    a_shop(weeks=6, first=30)
    fit, refusal = train_model(channel=make_channel(), now=timezone.now())
    assert refusal is None and fit.pk != live.pk and live_fit(channel=make_channel()) == fit
    again, refusal = train_model(channel=make_channel(), now=timezone.now())
    assert (again, refusal) == (fit, None)
    assert "price changes that the live model knows" in fit.verdict["words"]
    older = fit_channel(channel=make_channel(), now=timezone.now(), method="hierarchical")
    type(older).objects.filter(pk=older.pk).update(data_to=live.data_to)
    older.refresh_from_db()
    with pytest.raises(NotPromoted, match="it read sales to the week of"):
        promoted(evaluate_fit(fit=older, now=timezone.now()))
    assert promoted(live) == live_fit(channel=make_channel())  # the way back


@pytest.mark.parametrize("weeks", [1, 4])
def test_the_same_configuration_stays_out_where_newer_sales_made_it_worse(weeks):
    """Weeks in which a feed mixed up units: what is learned from them no longer explains what the live fit knows."""
    a_shop()
    promoted(fitted())
    a_shop(weeks=weeks, first=30)
    broken = WeeklySales.objects.filter(week__gte=MONDAY + timedelta(weeks=30))
    for row in broken:
        row.units = max(1, round(float(row.price) ** 8 / 1_000_000))
    WeeklySales.objects.bulk_update(broken, ["units"])
    fit, refusal = train_model(channel=make_channel(), now=timezone.now())
    assert not fit.verdict["passes"] and "; worse by more than 1% for 95% of resampled SKUs" in str(refusal)


def test_judged_against_a_model_that_is_no_longer_live_it_has_to_be_judged_again():
    a_shop()
    bad = fit_channel(channel=make_channel(), now=timezone.now(), config=BAD)
    promoted(evaluate_fit(fit=bad, now=timezone.now()))
    one, other = fitted(), fitted(method="hierarchical")
    assert one.verdict["passes"] and other.verdict["passes"]
    promoted(one)
    with pytest.raises(NotPromoted, match=f"was not judged against {one}, which is live"):
        promoted(other)


def test_with_few_weeks_nothing_tells_models_apart():
    a_shop(weeks=6)
    promoted(fitted())
    assert fitted(method="hierarchical").verdict["words"].startswith("too few weeks")


def test_the_hierarchical_method_stores_an_estimate_of_every_listing():
    a_shop()
    Listing.objects.order_by("pk").first().weekly_sales.update(price=Decimal(10))
    fit = fitted(method="hierarchical")
    rows = ElasticityEstimate.objects.filter(fit=fit).order_by("listing")
    assert len(rows) == SKUS and -2.6 < np.mean([row.mean for row in rows]) < -1.8
    still = rows[0]
    assert not still.informed and "its category's elasticity" in still.note and still.shrinkage < 0.05
    assert fit.diagnostics["spread_of_skus"] > 0 and fit.device == "cpu"
    assert all(row.base_demand > 0 and row.log_demand_sd > 0 and row.reference_price > 0 for row in rows)


@pytest.mark.parametrize(
    ("method", "config"),
    [
        ("independent", ElasticityConfig(elasticity_sd=0.7, device="cpu")),
        ("hierarchical", HierarchyConfig(effects={"log_price": Effect(mean=-2.0)}, other=Effect(sd=2.0), seed=4)),
    ],
)
def test_a_configuration_is_stored_and_read_again(method, config):
    assert config_from_dict(method, config_as_dict(method, config), "cpu") == config


def test_products_without_a_category_share_one():
    a_shop()
    Product.objects.filter(sku__in=["S000", "S001"]).update(category=None)
    category = channel_sales(channel=make_channel()).category
    assert category[0] == category[1] and len(set(category.tolist())) == 5


def test_the_commands_fit_judge_and_promote_and_refuse_in_one_line(capsys):
    a_shop()
    call_command("fit_elasticities")
    said = " ".join(capsys.readouterr().out.split())
    assert "40 of 40 SKUs learned" in said and "It is live: the first model of its channel." in said
    worse = fit_channel(channel=make_channel(), now=timezone.now(), config=BAD)
    call_command("evaluate_model", str(worse.pk))
    assert f"elasticity-{worse.pk} does not pass: its error of" in capsys.readouterr().out
    with pytest.raises(CommandError, match="stays out: its error of") as error:
        call_command("promote_model", str(worse.pk))
    assert error.value.returncode == 2
    live = live_fit(channel=make_channel())
    call_command("promote_model", str(live.pk))
    assert f"{live} is live in channel web" in capsys.readouterr().out
    call_command("evaluate_model", str(live.pk))
    assert f"{live} is live" in capsys.readouterr().out
    for command in ("evaluate_model", "promote_model"):
        with pytest.raises(CommandError, match="no model elasticity-999") as error:
            call_command(command, "999")
        assert error.value.returncode == 2


def test_every_night_each_channel_that_has_sales_is_learned_anew(monkeypatch):
    a_shop()
    make_channel("de", currency="EUR")
    sent = []
    monkeypatch.setattr("optimizer.tasks.run_training.delay", sent.append)
    for _ in range(2):
        train_models()
        run_training_task(sent[-1])
    jobs = TrainingJob.objects.all()
    assert sorted(sent) == sorted(job.pk for job in jobs) and {job.channel.code for job in jobs} == {"web"}
    assert {(job.status, job.fit) for job in jobs} == {("done", live_fit(channel=make_channel()))}
    assert ElasticityFit.objects.count() == 1


def page_of(fit: ElasticityFit, user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.get(admin_url("optimizer_elasticityfit_change", fit.pk)).content.decode()


def test_the_models_page_says_how_it_was_judged_and_has_it_go_live():
    a_shop()
    bad = fit_channel(channel=make_channel(), now=timezone.now(), config=BAD)
    promoted(evaluate_fit(fit=bad, now=timezone.now()))
    better, worse = fitted(), fitted(config=ElasticityConfig(elasticity_mean=2.0, elasticity_sd=0.05))
    boss = User.objects.create_superuser("boss")
    client = Client()
    client.force_login(boss)
    page = page_of(better, boss)
    assert "Its error of" in page and "Price with it" in page and f"{bad} is live" in page
    assert "Of intervals of 90 % held" in page and 0.7 < better.verdict["calibration"]["90%"] <= 1
    assert all(sentence in page for sentence in validation_words(better.verdict)) and page.count("<figure>") == 4
    assert "It will be refused" in page_of(worse, boss)
    promote = admin_url("optimizer_elasticityfit_promote", better.pk)
    assert client.get(promote).status_code == 405
    assert f"{better} is live: the next run prices with it." in client.post(promote, follow=True).content.decode()
    assert live_fit(channel=make_channel()) == better and "went live" in page_of(better, boss)
    refused = client.post(admin_url("optimizer_elasticityfit_promote", worse.pk), follow=True).content.decode()
    assert "was not judged against" in refused
    statuses = client.get(admin_url("optimizer_elasticityfit_changelist")).content.decode()
    assert "was live" in statuses and "refused" in statuses


def test_whoever_may_only_look_cannot_have_a_model_go_live():
    a_shop()
    fit = fitted()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_elasticityfit"))
    assert "Price with it" not in page_of(fit, viewer)
    client = Client()
    client.force_login(viewer)
    assert client.post(admin_url("optimizer_elasticityfit_promote", fit.pk)).status_code == 403
    assert live_fit(channel=make_channel()) is None


def test_a_new_version_of_our_code_is_a_refresh_and_a_live_configuration_of_ones_own_is_kept(monkeypatch):
    a_shop()
    live = promoted(fitted(config=ElasticityConfig(elasticity_sd=0.8)))
    monkeypatch.setitem(VERSIONS, ElasticityFit.Method.INDEPENDENT, 2)
    fit, refusal = train_model(channel=make_channel(), now=timezone.now())
    assert refusal is None and fit.pk != live.pk
    assert (fit.config["elasticity_sd"], fit.config["version"]) == (0.8, 2)


def test_the_first_model_of_a_tiny_shop_goes_live_though_nothing_can_be_compared():
    a_shop(weeks=12)
    WeeklySales.objects.exclude(listing__product__sku="S000").delete()
    fit, refusal = train_model(channel=make_channel(), now=timezone.now())
    assert refusal is None and "comparison" not in fit.verdict
