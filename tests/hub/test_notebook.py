"""The notebook runs as it stands, from the first cell to the last, against the local Hub."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from tests.hub.client import REPO, Client
from tests.hub.hub_server import TOKEN, HubServer
from tests.hub.test_load_dataset import add_script

NOTEBOOK = REPO / "examples" / "token_classification.ipynb"


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
def test_the_notebook_goes_the_whole_road(hub: HubServer, client: Client, tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    add_script(hub, "eriktks/conll2003")
    base = tmp_path / "base"
    client("save_base", folder=str(base))
    hub.add("model", "google-bert/bert-base-cased", {p.name: p.read_bytes() for p in base.iterdir()})
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    runner = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf_home"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(REPO / "src"),
    }
    runner.execute(env=environment)
    tables = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {}) and "Validation Loss" in output["data"]["text/html"]
    ]
    assert len(tables) == 1, "one table, which grew"
    heads = re.findall(r"<th>(.*?)</th>", tables[0])
    assert heads == ["Epoch", "Training Loss", "Validation Loss", "Precision", "Recall", "F1", "Accuracy"]
    assert [row.split("</td>")[0] for row in re.findall(r"<tr><td>(.*?)</tr>", tables[0])] == ["1", "2", "3"]
    repo = hub.repos["model", "ada/bert-finetuned-ner"]
    assert repo.messages[-1] == "Training complete"
    card = repo.head.files["README.md"].decode()
    assert "base_model: google-bert/bert-base-cased" in card
    assert "- eriktks/conll2003" in card
    shown = io.StringIO()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            shown.write(output.get("text", "") + str(output.get("data", {}).get("text/plain", "")))
    for expected in ("B-", "[CLS]", "-100", "overall_f1", "TrainOutput", "/ada/bert-finetuned-ner/commit/"):
        assert expected in shown.getvalue(), expected


def test_the_notebook_is_kept_without_outputs_and_in_a_dozen_steps() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert 10 <= len(code) <= 18
