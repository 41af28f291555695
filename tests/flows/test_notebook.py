"""The notebook runs from top to bottom and shows its plots."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from pricing_site.settings import BASE_DIR

NOTEBOOK = BASE_DIR / "notebooks" / "analysis.ipynb"


def test_the_notebook_runs_from_top_to_bottom():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without: they would say yesterday's numbers
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    said = "".join(output.get("text", "") for output in outputs)
    slopes = [float(slope) for slope in re.findall(r"(?:effects|squares): (-[\d.]+)", said)]
    assert slopes[0] > -1 and slopes[1] == pytest.approx(-2, abs=0.15) and "bound by" in said
