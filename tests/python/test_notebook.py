"""Do the notebooks run from top to bottom against a real server, as a data scientist would run them?"""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from server import dab_binary, dab_verify_binary

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(own_server, tmp_path, monkeypatch, path):
    settings = {
        "DAB_URL": own_server.url,
        "DAB_DATA": str(own_server.data),
        "DAB_CA": str(own_server.ca),
        "DAB_USER": "admin",
        "DAB_PASSWORD": own_server.password,
        "DAB_BINARY": dab_binary(),
        "DAB_VERIFY_BINARY": dab_verify_binary(),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in printed), "a plot is shown"
    assert not [output for output in printed if output.output_type == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


def test_there_are_notebooks():
    assert NOTEBOOKS
