"""Checkpoints that appear whole or not at all.

`checkpoint-N/` is written aside as `.checkpoint-N.partial`, every file flushed to disk, listed in
`manifest.json` with size and SHA-256, and renamed. A kill at any instant leaves the earlier checkpoints
untouched and at most a `.partial` directory, which the next save or resume clears away. Weights, optimizer
and random states are safetensors, the rest JSON; nothing is pickled or unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from evenweave.errors import CheckpointError

log = logging.getLogger("evenweave")
MANIFEST = "manifest.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def write_checkpoint(output_dir: Path, step: int, write: Callable[[Path], None]) -> Path:
    """Write `output_dir/checkpoint-{step}` through `write(folder)`, whole or not at all.

    Raises:
        CheckpointError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    final = output_dir / f"checkpoint-{step}"
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        clear_partial(output_dir)
        partial = output_dir / f".checkpoint-{step}.partial"
        partial.mkdir()
        write(partial)
        _write_manifest(partial)
        replaced = final.exists()
        doomed = _doomed(final)
        if replaced:
            final.rename(doomed)
        partial.rename(final)
        _sync(output_dir)
        if replaced:
            shutil.rmtree(doomed)
    except (OSError, SafetensorError) as error:
        clear_partial(output_dir)
        kept = complete_checkpoints(output_dir)
        last = f"the last complete one is {kept[-1]}" if kept else "there is no earlier one"
        raise CheckpointError(f"{final}: not saved ({_reason(error)}); {last}") from error
    return final


def complete_checkpoints(output_dir: Path) -> list[Path]:
    """Return the checkpoints that have a manifest, oldest first. Contents are checked when one is read."""
    found = [path for path in output_dir.glob("checkpoint-*") if (path / MANIFEST).is_file()]
    return sorted((path for path in found if _NAME.fullmatch(path.name)), key=step_of)


def step_of(checkpoint: Path) -> int:
    """Return the optimizer step a checkpoint was taken at."""
    match = _NAME.fullmatch(checkpoint.name)
    if match is None:
        raise CheckpointError(f"{checkpoint}: not named checkpoint-<step>")
    return int(match[1])


def verify(checkpoint: Path) -> None:
    """Check every file of the manifest by size and digest.

    Raises:
        CheckpointError: a file is missing, truncated or altered; names it.
    """
    try:
        files = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["files"]
    except FileNotFoundError:
        raise CheckpointError(f"{checkpoint}: no {MANIFEST}; not a complete checkpoint") from None
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{checkpoint}: {MANIFEST} is damaged") from None
    for name, entry in files.items():
        path = checkpoint / name
        if not path.is_file():
            raise CheckpointError(f"{checkpoint}: {name} is missing")
        if path.stat().st_size != entry["size"]:
            raise CheckpointError(
                f"{checkpoint}: {name} has {path.stat().st_size} bytes, not {entry['size']}"
            )
        if _digest(path) != entry["sha256"]:
            raise CheckpointError(f"{checkpoint}: {name} is altered (its SHA-256 differs)")


def last_usable(output_dir: Path) -> Path | None:
    """Return the newest checkpoint that verifies; each one passed over is logged with its reason."""
    for checkpoint in reversed(complete_checkpoints(output_dir)):
        try:
            verify(checkpoint)
        except CheckpointError as error:
            log.warning("passing over %s", error)
            continue
        return checkpoint
    return None


def remove_checkpoint(checkpoint: Path) -> None:
    """Delete a checkpoint; a kill half way leaves no directory that looks like one."""
    doomed = _doomed(checkpoint)
    if doomed.exists():
        shutil.rmtree(doomed)
    checkpoint.rename(doomed)
    shutil.rmtree(doomed)


def clear_partial(output_dir: Path) -> None:
    """Remove what a killed save or delete left behind."""
    for leftover in output_dir.glob(".checkpoint-*.partial*"):
        shutil.rmtree(leftover, ignore_errors=True)


def write_aside(output_dir: Path, write: Callable[[Path], None]) -> None:
    """Write files through `write(folder)` and move them into `output_dir` only once all are complete.

    Raises:
        CheckpointError: the disk is full or not writable; what was in `output_dir` is as it was.
    """
    partial = output_dir / ".save.partial"
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write(partial)
        for path in _files(partial):
            _sync(path)
        for path in _files(partial):
            target = output_dir / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        _sync(output_dir)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{output_dir}: model not saved ({_reason(error)}); make room and save again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save_optimizer(optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Write the state as `optimizer.safetensors` (tensors) and `optimizer.json` (numbers)."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.detach().cpu().contiguous()
            else:
                numbers.setdefault(str(index), {})[name] = value
    save_file(tensors, folder / "optimizer.safetensors")
    groups = [
        {k: v for k, v in group.items() if not isinstance(v, Tensor)} for group in state["param_groups"]
    ]
    text = json.dumps({"state": numbers, "param_groups": groups}, indent=1)
    (folder / "optimizer.json").write_text(text + "\n", encoding="utf-8")


def load_optimizer(optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Restore what `save_optimizer` wrote."""
    read = json.loads((folder / "optimizer.json").read_text(encoding="utf-8"))
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in read["state"].items()}
    for key, tensor in load_file(folder / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    groups = [
        {**group, "betas": tuple(group["betas"])} if "betas" in group else group
        for group in read["param_groups"]
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _doomed(checkpoint: Path) -> Path:
    return checkpoint.with_name(f".{checkpoint.name}.partial-deleted")


def _write_manifest(folder: Path) -> None:
    files = {}
    for path in _files(folder):
        _sync(path)
        name = path.relative_to(folder).as_posix()
        files[name] = {"size": path.stat().st_size, "sha256": _digest(path)}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"version": 1, "files": files}, indent=1) + "\n", encoding="utf-8")
    _sync(manifest)
    _sync(folder)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)).rstrip(
        "."
    )
