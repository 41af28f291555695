"""Versions of the demand model in a real Chromium: read how one was judged, and have it go live."""

import pytest
from django.utils import timezone

from optimizer.engine import ElasticityConfig
from optimizer.selectors.live_models import live_fit
from optimizer.services.promote_fit import promote_fit
from tests.browser.windows import picture, says, shown
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
    shown(manager, "#promote").click()
    says(manager, "stays out: its error of")
    picture(manager, "model-refused")
    manager.get(f"{live_server.url}/admin/optimizer/elasticityfit/{better.pk}/change/")
    says(manager, "better for 95% of resampled SKUs", where="#model-panel")
    picture(manager, "model-passed")
    shown(manager, "#promote").click()
    says(manager, f"{better} is live: the next run prices with it.")
    picture(manager, "model-live")
    assert live_fit(channel=make_channel()) == better
    manager.get(f"{live_server.url}/admin/optimizer/elasticityfit/")
    says(manager, "was live")
