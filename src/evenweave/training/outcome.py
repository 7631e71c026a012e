"""How a run ended, in numbers or in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from evenweave.training.loop import Run


def outcome(run: Run, seconds: float, steps: int) -> dict[str, float]:
    """Return the summary of a run that took `steps` optimizer steps in `seconds`, over all ranks."""
    total, count = run.state.loss_total
    sums = torch.tensor([run.rows_trained, run.state.total_flos], dtype=torch.float64)
    rows, flops = run.ranks.sum(sums).tolist()
    return {
        "train_runtime": seconds,
        "train_samples_per_second": rows / seconds,
        "train_steps_per_second": steps / seconds,
        "total_flos": flops,
        "train_loss": total / max(1, count),
        "epoch": run.state.epoch,
    }


def stopped(run: Run) -> str:
    """Return the line that says where an interrupted run stopped and how it goes on."""
    step, kept = run.state.global_step, run.state.saved_checkpoints
    if not kept:
        return f"stopped at step {step}; no checkpoint was saved yet, so the run starts anew"
    return (
        f"stopped at step {step}; {kept[-1]} is saved; go on with --resume, or in Python with "
        "train(resume_from_checkpoint=True)"
    )


def write_results(
    folder: Path, known: Path, split: str, metrics: Mapping[str, Any], *, combined: bool
) -> None:
    """Write metrics to `<split>_results.json` in `folder`, and if `combined` to `all_results.json` as well.

    Args:
        known: where the `all_results.json` is that they are added to.
    """
    files = {f"{split}_results.json": dict(metrics)}
    if combined:
        before = known / "all_results.json"
        earlier = json.loads(before.read_text(encoding="utf-8")) if before.is_file() else {}
        files["all_results.json"] = {**earlier, **metrics}
    for name, values in files.items():
        text = json.dumps(values, indent=2, sort_keys=True, default=str) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def listed(split: str, metrics: Mapping[str, Any]) -> str:
    """Return metrics as lines to print, one each."""
    width = max(map(len, metrics), default=0)
    lines = [f"***** {split} metrics *****"]
    for name, value in sorted(metrics.items()):
        shown = f"{value:.4f}" if isinstance(value, float) else str(value)
        lines.append(f"  {name:<{width}} = {shown}")
    return "\n".join(lines)
