"""Trains tiny models in forked children that can be killed at any instant.

Run as a program it imports once, then answers requests on stdin, one JSON object a line:
`{"out", "settings", "kill_after", "trouble", "at"}` -> `{"killed": bool, "error": str | null, "log": str}`.
Forking keeps a kill to about a second; a fresh interpreter would take ten to import.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

REPO = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, Any] = {
    "num_train_epochs": 3,
    "per_device_train_batch_size": 4,
    "save_strategy": "steps",
    "save_steps": 1,
    "save_total_limit": 2,
    "eval_strategy": "epoch",
    "lr_scheduler_type": "cosine",
    "learning_rate": 1e-2,
    "use_cpu": True,
    "disable_tqdm": True,
}


class Whole(NamedTuple):
    """A run nobody stopped: its directory, its final weights, and the seconds it took."""

    out: Path
    weights: bytes
    seconds: float


class Forge:
    """The program from the outside."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        )

    def train(self, out: Path, **request: Any) -> dict[str, Any]:
        """Train into `out`, going on from a checkpoint there if there is one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"out": str(out), **request}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def final_bytes(out: Path) -> bytes:
    """The weights `save_model` wrote at the end of a run."""
    return (out / "model.safetensors").read_bytes()


def _train(request: dict[str, Any]) -> None:
    """In the child: one run to its end, or to its error."""
    from tests.unit.training.tiny import Pad, rows, tagger

    from evenweave.training import Trainer, TrainingArguments
    from evenweave.training.checkpoint import complete_checkpoints

    out = request["out"]
    trainer = Trainer(
        model=tagger(dropout=0.1),
        args=TrainingArguments(out, **{**SETTINGS, **request.get("settings", {})}),
        train_dataset=rows(40),
        eval_dataset=rows(8, seed=1),
        data_collator=Pad(),
        callbacks=[_trouble(request["trouble"], request["at"])] if "trouble" in request else None,
    )
    trainer.train(resume_from_checkpoint=bool(complete_checkpoints(Path(out))) or None)
    trainer.save_model()


def _trouble(kind: str, at: int) -> Any:
    import resource
    import shutil

    from evenweave.training import TrainerCallback

    class Trouble(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step != at:
                return
            if kind == "file size limit":  # what a full disk is to one file, without being root
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            elif kind == "output vanishes":
                shutil.rmtree(args.output_dir)

    return Trouble()


def _child(request: dict[str, Any], result: Path) -> None:
    from evenweave.errors import EvenweaveError

    log = os.open(str(result) + ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 2)
    error = None
    try:
        _train(request)
    except EvenweaveError as raised:
        error = f"{type(raised).__name__}: {raised}"
    except BaseException as raised:
        error = f"not one of ours: {type(raised).__name__}: {raised}"
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    result.write_text(json.dumps(error))
    os._exit(0)


def main() -> None:
    """Answer requests until stdin ends."""
    import tempfile

    import tests.unit.training.tiny

    import evenweave.training.trainer  # noqa: F401

    tests.unit.training.tiny.tagger()
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result"
            child = os.fork()
            if child == 0:
                _child(request, result)
            if "kill_after" in request:
                time.sleep(request["kill_after"])
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed = not result.exists()
            log = Path(f"{result}.log")
            answer = {
                "killed": killed,
                "error": None if killed else json.loads(result.read_text()),
                "log": log.read_text() if log.exists() else "",
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
