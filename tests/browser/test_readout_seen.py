"""Somebody opens a running experiment, reads what it says and takes it along as a file."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from selenium.webdriver.common.by import By

from experiments.services.record_readout import record_readout
from tests.browser.windows import log_in, picture, says, shown, texts
from tests.experiments.test_readouts import visitors
from tests.experiments.trials import make_trial, store_facts

pytestmark = pytest.mark.django_db(transaction=True)
DAYS = 12


def test_the_read_out_is_one_click_away_and_says_it_in_a_sentence_first(browser, live_server):
    log_in(browser, live_server.url, "vera", role="viewer")
    started_at = timezone.now() - timedelta(days=DAYS)
    trial = make_trial(name="Dearer tea", started_at=started_at, guardrails={"profit": "0.1"})
    store_facts(trial, visitors(np.random.default_rng(1), 1_200, uplift=1.5, days=DAYS))
    record_readout(experiment=trial, now=timezone.now())
    browser.get(f"{live_server.url}/admin/experiments/priceexperiment/{trial.pk}/change/")
    shown(browser, "#readout").click()
    sentence = shown(browser, "#readout-sentence").text
    assert sentence.startswith("The treatment is better: +")
    assert len(browser.find_elements(By.CSS_SELECTOR, "figure svg")) == 1
    says(browser, "What was said, day by day")
    assert any("shares that were planned" in check for check in texts(browser, ".readout-check"))
    picture(browser, "readout")
    link = shown(browser, "#readout-file").get_attribute("href")
    saved = browser.execute_script(
        "const request = new XMLHttpRequest(); request.open('GET', arguments[0], false); request.send();"
        "return request.responseText",
        link,
    )
    assert sentence in saved and "<svg" in saved
