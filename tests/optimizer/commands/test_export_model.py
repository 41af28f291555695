"""A model of demand as a file: whole or not at all, and what the registry knows is in it."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from safetensors import safe_open

from optimizer.models import ElasticityEstimate
from optimizer.selectors.live_models import live_fit
from tests.factories import make_channel
from tests.optimizer.test_model_registry import SKUS, a_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def fit():
    a_shop(weeks=10)
    call_command("fit_elasticities", method="hierarchical")
    return live_fit(channel=make_channel())


def test_the_file_holds_every_skus_posterior_and_how_it_was_made(fit, tmp_path, capsys):
    call_command("export_model", str(fit.pk), str(tmp_path / "model.safetensors"))
    assert f"{fit}: {SKUS} SKUs written" in capsys.readouterr().out
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        told = {name: json.loads(value) for name, value in file.metadata().items()}
        means = dict(zip(told["skus"], file.get_tensor("mean"), strict=True))
        assert file.get_tensor("sd").dtype == np.float64 and (file.get_tensor("informed") == 1).all()
    stored = ElasticityEstimate.objects.filter(fit=fit).values_list("listing__product__sku", "mean")
    assert means == dict(stored) and len(means) == SKUS
    assert (told["model"], told["config"], told["verdict"]) == (str(fit), fit.config, fit.verdict)


def test_what_cannot_be_written_leaves_nothing_behind(fit, tmp_path, monkeypatch):
    with pytest.raises(CommandError, match="give a file that can be written") as error:
        call_command("export_model", str(fit.pk), "/nowhere/model.safetensors")
    assert error.value.returncode == 2
    old = tmp_path / "model.safetensors"
    old.write_text("what was there")

    def full(path: Path, content: bytes) -> None:
        path.write_text("half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CommandError, match="No space left"):
        call_command("export_model", str(fit.pk), str(old))
    assert old.read_text() == "what was there" and list(tmp_path.iterdir()) == [old]


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CommandError, match="no model elasticity-999") as error:
        call_command("export_model", "999", str(tmp_path / "model.safetensors"))
    assert error.value.returncode == 2
