"""The report of a run, of every method of learning."""

import math

import pytest
from django.core.management import call_command

from optimizer.models import OptimizationRun
from optimizer.report.page import render_report
from optimizer.selectors.live_models import live_fit
from optimizer.selectors.model_validation import validation_words
from tests.factories import make_channel
from tests.optimizer.test_model_registry import a_shop, fitted, promoted

pytestmark = pytest.mark.django_db


def report_of_a_run() -> str:
    call_command("optimize_prices", dry_run=True)
    return render_report(run=OptimizationRun.objects.latest("created_at"))


@pytest.mark.parametrize("method", ["independent", "hierarchical"])
def test_the_report_shows_the_prior_of_the_method(method):
    a_shop()
    promoted(fitted(method=method))
    page, found = report_of_a_run(), live_fit(channel=make_channel()).diagnostics
    if method == "independent":
        assert "prior N(-1.5, 0.5²)" in page
    else:
        sd = math.hypot(found["spread_of_skus"], found["spread_of_categories"], found["shop_elasticity_sd"])
        assert f"prior N({found['shop_elasticity']:.3g}, {sd:.3g}²)" in page


def test_the_report_says_how_far_to_trust_the_model_it_priced_with():
    a_shop()
    fit = promoted(fitted())
    page = report_of_a_run()
    assert "How far to trust the demand model" in page and page.count("<svg") == 5
    for sentence in validation_words(fit.verdict):
        assert sentence in page
    fit.verdict = {name: fit.verdict[name] for name in ("passes", "words", "backtest")}
    fit.save(update_fields=["verdict"])
    page = report_of_a_run()
    assert page.count("<svg") == 5 and "Error beside simple methods" in page and "Elasticities, simulated" not in page
    fit.verdict = {}
    fit.save(update_fields=["verdict"])
    page = report_of_a_run()
    assert "How far to trust" not in page and page.count("<svg") == 4
