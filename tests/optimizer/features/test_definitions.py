import re
import subprocess
import sys
from pathlib import Path

from optimizer.features.definitions import COLUMNS, FEATURES, GROUPS, NAMES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def test_there_are_fifty_one_features_and_their_names_are_their_own():
    assert len(NAMES) == len(set(NAMES)) == 51
    assert len(COLUMNS) == len(set(COLUMNS)) == 1 + len(GROUPS) + 51
    assert all(len(group.name) <= 16 for group in GROUPS)  # the column's width


def test_the_page_names_every_feature_with_its_unit_and_no_other():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    written = {name: unit for names, unit in rows for name in re.findall(r"\w+", names)}
    assert written == {feature.name: feature.unit for feature in FEATURES}


def test_the_page_has_a_section_a_group():
    text = PAGE.read_text()
    for group in GROUPS:
        assert f"**`{group.name}`**, time: {group.time}" in text


def test_whoever_reads_or_writes_features_loads_no_torch():
    program = (
        "import sys, django; django.setup(); import optimizer.features.serving, optimizer.selectors.training, "
        "optimizer.services.refresh_features, streaming.handlers; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PAGE.parents[1])
