"""What was learned goes out as JSON and comes back the same, or not at all."""

import json
import uuid

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from experiments.models import ArmCount, BanditArm, BanditContext, ChoiceSet, PricingDecision
from experiments.selectors.arm_counts import epoch_of
from experiments.services.decide_prices import DemandEvent, decide_prices
from experiments.services.record_outcomes import Outcome, record_outcomes
from tests.factories import make_listing

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def learned(tmp_path):
    """Return the path of an export, of 40 decisions of which every third was paid, and the counts themselves."""
    make_listing("A"), make_listing("B")
    events = [DemandEvent(uuid.uuid4(), "web", "AB"[n % 2], f"shop-{n % 3}", 1, 1, NOW) for n in range(40)]
    decided = decide_prices(events=events, now=NOW, rng=np.random.default_rng(0)).decided
    record_outcomes(outcomes=[Outcome(each.decision_id, n % 3 == 0, NOW) for n, each in enumerate(decided)], now=NOW)
    path = tmp_path / "bandit_stats.json"
    call_command("export_bandit_stats", path)
    return path, counts()


def counts():
    names = ("sku", "location", "intensity", "price", "epoch", "decided", "purchases", "rejections")
    prefix = "arm__context__"
    fields = (f"{prefix}listing__product__sku", f"{prefix}location", f"{prefix}intensity", "arm__price", *names[4:])
    return sorted(ArmCount.objects.values_list(*fields))


def forget():
    for model in (PricingDecision, ChoiceSet, ArmCount, BanditArm, BanditContext):
        model.objects.all().delete()


def test_what_was_exported_comes_back_the_same_bit_for_bit(learned, capsys):
    path, before = learned
    assert sum(row[6] for row in before) == 14 and {row[4] for row in before} == {epoch_of(NOW)}
    forget()
    call_command("import_bandit_stats", path)
    assert counts() == before
    assert "arms taken over" in capsys.readouterr().out


def test_where_there_are_counts_already_a_person_chooses(learned):
    path, before = learned
    with pytest.raises(CommandError, match="have counts already: choose --add or --replace") as error:
        call_command("import_bandit_stats", path)
    assert error.value.returncode == 2 and counts() == before
    call_command("import_bandit_stats", path, replace=True)
    assert counts() == before
    call_command("import_bandit_stats", path, add=True)
    assert [row[5:] for row in counts()] == [tuple(2 * number for number in row[5:]) for row in before]


def set_in(stats, value, *places):
    for place in places[:-1]:
        stats = stats[place]
    stats[places[-1]] = value


@pytest.mark.parametrize(
    ("places", "value", "words"),
    [
        (("format",), 7, "format"),
        (("epoch_seconds",), 60, "set BANDIT_EPOCH_SECONDS to the same"),
        (("channel",), "moon", "moon"),
        (("arms", 1, "sku"), "GONE", r"arms\[1\].sku: 'GONE' is not sold in web"),
        (("arms", 1, "price"), "ten", r"arms\[1\].price"),
        (("arms", 1, "intensity"), "huge", r"arms\[1\].intensity"),
        (("arms", 1, "counts", 0, 2), -1, r"arms\[1\].counts\[0\]\[2\]"),
        (("arms", 1, "counts", 0), [1, 2], r"arms\[1\].counts\[0\]"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whole_with_the_place(learned, places, value, words):
    path, _ = learned
    stats = json.loads(path.read_text())
    set_in(stats, value, *places)
    path.write_text(json.dumps(stats))
    forget()
    with pytest.raises(CommandError, match=words) as error:
        call_command("import_bandit_stats", path)
    assert error.value.returncode == 2 and not ArmCount.objects.exists()


def test_no_file_and_no_json_are_named(tmp_path):
    with pytest.raises(CommandError, match="give a file that export_bandit_stats wrote"):
        call_command("import_bandit_stats", tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(CommandError, match=r"bad\.json"):
        call_command("import_bandit_stats", tmp_path / "bad.json")
