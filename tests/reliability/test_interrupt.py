"""Ctrl-C: the step is finished, a checkpoint saved, one line says how to go on, and going on works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.tiny_corpus import write_corpus
from tests.helpers.tiny_tagger import save_tagger

from evenweave.training.checkpoint import complete_checkpoints, verify
from evenweave.training.interrupt import Interrupt

REPO = Path(__file__).resolve().parents[2]


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        start_new_session=True,
    )


def train(folder: Path, *more: str) -> list[str]:
    return [
        "evenweave", "train", str(folder / "data"), "--output", str(folder / "out"), "--no-report",
        "--model", str(folder / "model"), "--set", "use_cpu=true", "--set", "num_train_epochs=60",
        "--set", "eval_strategy=no", "--set", "save_strategy=steps", "--set", "save_steps=100000",
        "--set", "disable_tqdm=true", *more,
    ]  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "data")
    save_tagger(tmp_path / "model")
    return tmp_path


TORCHRUN = ["torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
TORCHRUN += ["--rdzv-endpoint", "localhost:0", "-m"]


@pytest.mark.parametrize("launcher", [[], TORCHRUN], ids=["one process", "two ranks"])
def test_ctrl_c_saves_and_the_run_goes_on(prepared: Path, launcher: list[str]) -> None:
    run = start(*launcher, *train(prepared))
    assert run.stderr is not None
    seen = ""
    for line in run.stderr:
        seen += line
        if line.startswith("optimizer"):
            break
    # As a terminal does, the whole process group is told.
    os.killpg(run.pid, signal.SIGINT)
    out, rest = run.communicate(timeout=120)
    saved = complete_checkpoints(prepared / "out")
    assert len(saved) == 1, seen + rest
    verify(saved[0])
    step = saved[0].name.split("-")[1]
    lines = rest.splitlines()
    said = [line for line in lines if line.startswith("stopped at step")]
    assert said == [
        f"stopped at step {step}; {saved[0]} is saved; go on with --resume, or in Python with "
        "train(resume_from_checkpoint=True)"
    ]
    assert out == ""
    if not launcher:  # torchrun adds lines and a status of its own
        assert run.returncode == 130
        assert lines[-1] == said[0]
        assert "Traceback" not in rest
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *train(prepared, "--resume")],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
    )
    assert done.returncode == 0, done.stderr
    assert f"resuming from {saved[0]}" in done.stderr
    assert done.stdout.count("saved to") == 1
    assert (prepared / "out" / "model.safetensors").is_file()


def test_a_second_ctrl_c_ends_at_once() -> None:
    with Interrupt(say=False) as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_torchrun_passes_on_is_the_same_ctrl_c() -> None:
    with Interrupt(say=False, settle=60) as interrupt:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert interrupt.asked
