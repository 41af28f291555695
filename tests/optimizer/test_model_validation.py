"""What is stored of a fit's method, and what is said of it."""

import copy

import pytest
from django.core.management import call_command
from django.utils import timezone

from catalog.models import WeeklySales
from optimizer.admin.model_charts import validation_charts
from optimizer.selectors.model_validation import shares, validation_words
from optimizer.services.evaluate_fit import evaluate_fit
from optimizer.services.train_model import train_model
from tests.factories import make_channel
from tests.optimizer.test_model_registry import BAD, SKUS, a_shop, fitted, promoted

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", ["independent", "hierarchical"])
def test_a_fit_keeps_what_its_method_recovers_and_how_it_did_beside_simple_ones(method):
    a_shop()
    verdict = fitted(method=method).verdict
    recovery, backtest = verdict["recovery"], verdict["backtest"]
    assert recovery["whole"]["skus"] == len(recovery["points"]) == SKUS
    assert sum(third["skus"] for third in recovery["thirds"]) == SKUS
    assert [asked for asked, _ in shares(recovery["whole"]["coverage"])] == [0.5, 0.8, 0.9, 0.95]
    assert recovery["whole"]["coverage"]["95%"] > 0.85
    assert [origin["from"] for origin in backtest["origins"]] == ["2011-05-09", "2011-06-06", "2011-07-04"]
    assert all(set(origin["errors"]) == {"method", "ols", "pooled", "fixed_prior"} for origin in backtest["origins"])
    assert all(found["skus"] == SKUS and found["low"] < found["high"] for found in backtest["comparisons"].values())
    words = validation_words(verdict)
    assert words[0].startswith("Of 90 % intervals ") and "held what was sold in weeks that it had not seen" in words[0]
    assert "held the truth in sales that were simulated for 40 SKUs" in words[1]
    assert words[2].startswith("Learned 3 times from the weeks before and tried on the next 4, its error of ")


def test_a_model_with_wrong_beliefs_is_shown_to_be_worse_than_simple_methods():
    a_shop()
    verdict = fitted(config=BAD).verdict
    assert all(found["high"] < 0 for found in verdict["backtest"]["comparisons"].values())
    # In a world that is as it believes it finds the truth: only the backtest can tell.
    assert verdict["recovery"]["whole"]["coverage"]["90%"] > 0.8
    assert "larger than that of least squares for each SKU alone" in validation_words(verdict)[2]


def test_words_say_where_intervals_are_too_narrow_or_too_wide_and_where_nothing_is_told_apart():
    a_shop()
    verdict = copy.deepcopy(fitted().verdict)
    verdict["calibration"]["90%"] = 0.6
    verdict["recovery"]["whole"] |= {"skus": 2_000, "coverage": {"90%": 0.99}}
    verdict["backtest"]["comparisons"]["pooled"] |= {"low": -0.01, "high": 0.02}
    calibration, recovery, backtest = validation_words(verdict)
    assert calibration.endswith(
        "60 % held what was sold in weeks that it had not seen: too few, it is surer than it should be."
    )
    assert "99 % held the truth" in recovery and ": too many, it knows more than it says;" in recovery
    assert "not to be told from that of one elasticity for all SKUs" in backtest
    verdict["recovery"]["whole"]["coverage"]["90%"] = 0.91
    assert "their real prices, as they should;" in validation_words(verdict)[1]
    assert validation_words({}) == validation_words({"passes": True, "words": "the first model of its channel"}) == []


def test_a_live_model_that_was_judged_before_is_tried_when_it_is_judged_again():
    a_shop()
    live = promoted(fitted())
    live.verdict = {name: live.verdict[name] for name in ("against", "passes", "words")}
    live.save(update_fields=["verdict"])
    again = evaluate_fit(fit=live, now=timezone.now())
    again.refresh_from_db()
    assert again.verdict["words"] == "the first model of its channel" and len(validation_words(again.verdict)) == 2
    before = copy.deepcopy(again.verdict)
    WeeklySales.objects.all().delete()  # nothing is read again
    assert evaluate_fit(fit=again, now=timezone.now()).verdict == before


def test_a_shop_with_too_little_to_try_is_judged_all_the_same():
    a_shop(weeks=12)
    WeeklySales.objects.exclude(listing__product__sku="S000").delete()
    fit, refusal = train_model(channel=make_channel(), now=timezone.now())
    assert refusal is None and fit.verdict["passes"]
    assert (fit.verdict["recovery"], fit.verdict["backtest"]) == (None, None)


def test_the_command_prints_sentences_and_tables(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    a_shop()
    fit = promoted(fitted())
    call_command("evaluate_model", str(fit.pk))
    said = capsys.readouterr().out
    assert f"{fit} is live" in said and "held the truth in sales that were simulated" in " ".join(said.split())
    assert "moved most" in said and "90 % intervals held" in said and "SKUs" in said
    assert "4 Jul" in said and "each SKU alone" in said and "better by (90 % interval)" in said


def test_charts_set_what_was_found_beside_what_it_should_be():
    a_shop()
    verdict = copy.deepcopy(fitted().verdict)
    verdict["calibration"] = {"50%": 0.5, "80%": 0.9, "90%": 0.7}
    verdict["recovery"]["points"] = [[-1.5, -1.5, 0.001]] * 3
    verdict["backtest"]["comparisons"]["pooled"] |= {"improvement": -0.1, "low": -0.2, "high": -0.05}
    weeks, elasticities, beside, recovered = validation_charts(verdict)
    (left, bottom), (right, top) = (map(float, part.split()) for part in weeks.guide[1:].split("L"))

    def height_of_the_diagonal(x: float) -> float:
        return bottom + (x - left) / (right - left) * (top - bottom)

    above = [height_of_the_diagonal(x) - y for x, y, _ in weeks.dots]
    assert above[0] == pytest.approx(0, abs=0.2) and above[1] > 10 and above[2] < -20
    assert len(elasticities.dots) == 4 and len(recovered.dots) == 3
    zero = float(beside.guide[1:].split()[0])
    assert [tick.label for tick in beside.y_ticks] == ["each SKU alone", "one for all SKUs", "a fixed prior"]
    assert beside.dots[1][0] < zero < max(tick.at for tick in beside.x_ticks)
    assert len({tick.label for tick in recovered.y_ticks}) == len(recovered.y_ticks)
    assert validation_charts({}) == []
