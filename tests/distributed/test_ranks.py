"""Two ranks give what one process gives with twice the batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")


def launch(*command: str, ranks: int) -> subprocess.CompletedProcess[str]:
    """Run a program under torchrun, or alone for one rank."""
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]  # any free port
    return subprocess.run(
        [sys.executable, *(torchrun if ranks > 1 else []), *command],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[list[dict[str, Any]], str, Path]]:
    """For one and for two ranks: what each rank found, what all printed, and where they wrote."""
    found = {}
    for ranks in (1, 2):
        out = tmp_path_factory.mktemp(f"ranks-{ranks}")
        done = launch(str(WORKER), str(out), ranks=ranks)
        assert done.returncode == 0, done.stderr[-3000:]
        each = [json.loads((out / f"rank-{rank}.json").read_text()) for rank in range(ranks)]
        found[ranks] = each, done.stdout + done.stderr, out
    return found


@pytest.mark.parametrize("name", ["plain", "accumulated", "tokens", "fsdp", "fsdp best"])
def test_losses_gradients_and_scores_are_those_of_one_process(runs: Any, name: str) -> None:
    one, two = runs[1][0][0][name], runs[2][0][0][name]
    if name == "tokens":  # the ranks share the same batches out in turn
        assert len(one["losses"]) == len(two["losses"])
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert two["norms"] == pytest.approx(one["norms"], abs=1e-4)
    assert one["gradients"].keys() == two["gradients"].keys()
    for parameter, gradient in one["gradients"].items():
        np.testing.assert_allclose(two["gradients"][parameter], gradient, atol=1e-6, err_msg=parameter)
    for result in runs[2][0]:
        theirs, ours = result[name]["scores"], one["scores"]
        assert theirs["metrics"] == pytest.approx(ours["metrics"], abs=1e-4)
        assert theirs["one"] == pytest.approx(ours["one"], abs=1e-4)
        assert theirs["labels"] == ours["labels"]
        np.testing.assert_allclose(theirs["predictions"], ours["predictions"], atol=1e-3)
        assert {k: v["number"] for k, v in theirs["types"].items() if isinstance(v, dict)} == {
            k: v["number"] for k, v in ours["types"].items() if isinstance(v, dict)
        }


@pytest.mark.parametrize("name", ["resumed", "fsdp resumed"])
def test_one_checkpoint_is_written_and_resumed_exactly(runs: Any, name: str) -> None:
    for result in runs[2][0]:
        assert result[name]["equal"]
        assert [file for file in result[name]["files"] if file.startswith("rng")] == [
            "rng-0.json",
            "rng-0.safetensors",
            "rng-1.json",
            "rng-1.safetensors",
        ]
        assert "checkpoint-12" in result[name]["beside"]
        assert not [file for file in result[name]["beside"] if file.startswith(".")]


def test_sharded_weights_are_saved_whole(runs: Any) -> None:
    from transformers import AutoModelForTokenClassification

    saved = [runs[ranks][2] / "fsdp resumed" / "halved" for ranks in (1, 2)]
    one, two = (AutoModelForTokenClassification.from_pretrained(path) for path in saved)
    assert type(two).__name__ == "BertForTokenClassification"
    for (name, ours), theirs in zip(one.named_parameters(), two.parameters(), strict=True):
        np.testing.assert_allclose(theirs.detach(), ours.detach(), atol=1e-4, err_msg=name)


def test_a_stream_is_shared_out_row_by_row(runs: Any) -> None:
    assert runs[2][0][0]["stream"] == pytest.approx(runs[1][0][0]["stream"], abs=1e-5)


def test_a_failing_save_ends_every_rank_with_the_same_line(runs: Any) -> None:
    first, second = (result["failing"] for result in runs[2][0])
    assert first == second
    assert "not saved" in first


def test_only_the_first_rank_prints(runs: Any) -> None:
    for said in ("optimizer  adamw", "Training Loss", "resuming from", "loading the best model"):
        counts = [runs[ranks][1].count(said) for ranks in (1, 2)]
        assert counts[0] == counts[1] > 0, said
