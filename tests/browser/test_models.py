"""Versions of the demand model in a real Chromium: read how one was judged, and have it go live."""

import pytest
from django.utils import timezone
from selenium.webdriver.support.select import Select

from optimizer.engine import ElasticityConfig
from optimizer.selectors.live_models import live_fit
from optimizer.services.promote_fit import promote_fit
from optimizer.tasks import run_training
from tests.browser.windows import follow, picture, says, shown
from tests.factories import make_channel
from tests.optimizer.test_model_registry import BAD, a_shop, fitted

pytestmark = pytest.mark.django_db(transaction=True)


def test_reads_how_a_model_was_judged_and_has_it_go_live(manager, live_server):
    a_shop()
    bad = fitted(config=BAD)
    promote_fit(fit_id=bad.pk, author=None, now=timezone.now())
    worse = fitted(config=ElasticityConfig(elasticity_mean=2.0, elasticity_sd=0.05))
    better = fitted(method="hierarchical")
    manager.get(f"{live_server.url}/admin/optimizer/elasticityfit/")
    says(manager, "passed")
    picture(manager, "models")
    manager.get(f"{live_server.url}/admin/optimizer/elasticityfit/{worse.pk}/change/")
    follow(manager, shown(manager, "#promote"))
    says(manager, "stays out: its error of")
    picture(manager, "model-refused")
    manager.get(f"{live_server.url}/admin/optimizer/elasticityfit/{better.pk}/change/")
    says(manager, "better for 95% of resampled SKUs", where="#model-panel")
    picture(manager, "model-passed")
    says(manager, "held the truth in sales that were simulated for 40 SKUs at their real prices", where="#trust")
    manager.execute_script("document.querySelector('#trust').scrollIntoView()")
    assert len(manager.find_elements("css selector", "#model-panel figure svg")) == 4
    picture(manager, "model-trust")
    manager.execute_script("window.scrollTo(0, 0)")
    follow(manager, shown(manager, "#promote"))
    says(manager, f"{better} is live: the next run prices with it.")
    picture(manager, "model-live")
    assert live_fit(channel=make_channel()) == better
    manager.get(f"{live_server.url}/admin/optimizer/elasticityfit/")
    says(manager, "was live")


def test_has_demand_learned_anew_and_sees_what_came_of_it(manager, live_server, monkeypatch):
    a_shop()
    monkeypatch.setattr("optimizer.tasks.run_training.delay", run_training)
    manager.get(f"{live_server.url}/admin/optimizer/trainingjob/add/")
    picture(manager, "training-form")
    Select(shown(manager, "#id_channel")).select_by_visible_text("web")
    Select(shown(manager, "#id_method")).select_by_value("hierarchical")
    follow(manager, shown(manager, "#ask button[type=submit]"))
    says(manager, "the first model of its channel")
    live = live_fit(channel=make_channel())
    assert live.method == "hierarchical" and live.created_by.get_username() == "manager"
    picture(manager, "training-job")
    manager.get(f"{live_server.url}/admin/optimizer/trainingjob/")
    says(manager, f"{live} is live")
    picture(manager, "training-jobs")
