"""What every rank runs: the same scenarios for one process and for two, their results as JSON.

`python worker.py OUT` or `torchrun --nproc-per-node 2 worker.py OUT`; each rank writes `OUT/rank-<r>.json`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from tests.unit.training.tiny import Pad, rows, tagger

from evenweave.errors import CheckpointError
from evenweave.training import Trainer, TrainerCallback, TrainingArguments

WORLD = int(os.environ.get("WORLD_SIZE", "1"))
RANK = int(os.environ.get("RANK", "0"))


class Gradients(TrainerCallback):
    """The gradients of the first step, put together where they are sharded."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        from evenweave.training.sharding import plain

        if not self.found:
            self.found = {
                name: plain(p.grad).flatten().tolist()
                for name, p in model.named_parameters()
                if p.grad is not None
            }


class StopAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop |= state.global_step >= self._step


def make(out: Path, *, callbacks: Any = (), data: Any = None, **given: Any) -> Trainer:
    """A trainer whose steps take eight rows, however many ranks there are."""
    settings = {
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
        "learning_rate": 1e-2,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "per_device_train_batch_size": 8 // WORLD,
        "per_device_eval_batch_size": 3,
    }
    return Trainer(
        model=tagger(),
        args=TrainingArguments(str(out), **{**settings, **given}),
        # 45 rows: the last batch of an epoch has five, four for one rank and one for the other.
        train_dataset=rows(45) if data is None else data,
        eval_dataset=rows(9, seed=1),
        data_collator=Pad(),
        callbacks=list(callbacks),
    )


def trained(out: Path, **given: Any) -> dict[str, Any]:
    gradients = Gradients()
    trainer = make(out, callbacks=[gradients], **given)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    norms = [entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry]
    return {"losses": losses, "norms": norms, "gradients": gradients.found, "scores": scored(trainer)}


def scored(trainer: Trainer) -> dict[str, Any]:
    """Evaluation and prediction over nine rows, more than one rank's share and no multiple of it."""
    metrics = trainer.evaluate()
    predictions, labels, _ = trainer.predict(rows(9, seed=1))
    few = trainer.evaluate(rows(1, seed=2))  # one rank has nothing to do
    return {
        "metrics": {k: v for k, v in metrics.items() if not k.endswith(("_runtime", "_second"))},
        "types": trainer.last_scores,
        "one": few["eval_loss"],
        "labels": labels.tolist() if labels is not None else None,
        "predictions": predictions.tolist(),
    }


def resumed(out: Path, **given: Any) -> dict[str, Any]:
    """A run stopped at step 4 and gone on from, beside one that was not."""
    keep = {"save_strategy": "steps", "save_steps": 2, "num_train_epochs": 2, **given}
    make(out / "whole", **keep).train()
    make(out / "halved", callbacks=[StopAt(4)], **keep).train()
    last = make(out / "halved", **keep)
    last.train(resume_from_checkpoint=True)
    last.save_model()
    name = "checkpoint-12/model.safetensors"
    return {
        "equal": (out / "whole" / name).read_bytes() == (out / "halved" / name).read_bytes(),
        "files": sorted(path.name for path in (out / "halved" / "checkpoint-12").iterdir()),
        "beside": sorted(path.name for path in (out / "halved").iterdir()),
    }


def stream(out: Path) -> list[float]:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter(rows(48))

    trainer = make(out, data=Stream(), max_steps=9)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def failing(out: Path) -> str:
    """A save that fails on rank 0 must end every rank with the same line."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "out").write_text("a file where the directory should be")
    try:
        make(out / "out").save_model()
    except CheckpointError as error:
        return str(error)
    return "no error"


def main(out: Path) -> None:
    found = {
        "plain": trained(out / "plain"),
        "accumulated": trained(
            out / "accumulated", per_device_train_batch_size=4 // WORLD, gradient_accumulation_steps=2
        ),
        "tokens": trained(out / "tokens", max_tokens_per_batch=30, gradient_accumulation_steps=4 // WORLD),
        "fsdp": trained(out / "fsdp", fsdp=True),
        "resumed": resumed(out / "resumed"),
        "fsdp resumed": resumed(out / "fsdp resumed", fsdp=True),
        "fsdp best": trained(
            out / "best", fsdp=True, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True
        ),
        "stream": stream(out / "stream"),
        "failing": failing(out / "failing"),
    }
    (out / f"rank-{RANK}.json").write_text(json.dumps(found, default=float))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
