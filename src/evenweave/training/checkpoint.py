"""Checkpoints that appear whole or not at all.

`checkpoint-N/` is written aside as `.checkpoint-N.partial`, every file flushed to disk, listed in
`manifest.json` with size and SHA-256, and renamed. A kill at any instant leaves the earlier checkpoints
untouched and at most a directory whose name begins with a dot, which the next save or resume clears away.
Weights, optimizer and random states are safetensors, the rest JSON; nothing is pickled or unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

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
        _make(output_dir)
        clear_partial(output_dir)
        partial = output_dir / f".checkpoint-{step}.partial"
        partial.mkdir()
        write(partial)
        _share(partial)
        _write_manifest(partial, _next_sequence(output_dir))
        replaced = _replaced(final)
        if final.exists():
            # A kill between these two renames leaves the old one under another name; see clear_partial.
            final.rename(replaced)
        partial.rename(final)
        _sync(output_dir)
        shutil.rmtree(replaced, ignore_errors=True)
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
    """Return the checkpoint written last among those that verify; each passed over is logged with its reason.

    Written last, not highest: a run started afresh in a used directory goes on from its own checkpoints.
    """
    for folder in output_dir.glob("checkpoint-*"):
        if _NAME.fullmatch(folder.name) and not (folder / MANIFEST).is_file():
            log.warning("passing over %s: no %s; not a complete checkpoint", folder, MANIFEST)
    for checkpoint in sorted(complete_checkpoints(output_dir), key=_sequence, reverse=True):
        try:
            verify(checkpoint)
        except CheckpointError as error:
            log.warning("passing over %s", error)
            continue
        return checkpoint
    return None


def remove_checkpoint(checkpoint: Path) -> None:
    """Delete a checkpoint; a kill half way leaves no directory that looks like one."""
    doomed = checkpoint.with_name(f".{checkpoint.name}.deleted")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.rename(doomed)
    _sync(doomed.parent)
    shutil.rmtree(doomed)


def clear_partial(output_dir: Path) -> None:
    """Remove what a killed save or delete left behind, and put back what it was about to replace."""
    for replaced in output_dir.glob(".checkpoint-*.replaced"):
        final = output_dir / replaced.name[1:].removesuffix(".replaced")
        if final.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(final)
    for kind in ("partial", "deleted"):
        for leftover in output_dir.glob(f".checkpoint-*.{kind}"):
            shutil.rmtree(leftover, ignore_errors=True)


def write_aside(output_dir: Path, write: Callable[[Path], None]) -> None:
    """Write files through `write(folder)` and move them into `output_dir` only once all are complete.

    Each file appears whole; what else is in `output_dir` stays.

    Raises:
        CheckpointError: the disk is full or not writable; what was in `output_dir` is as it was.
    """
    partial = output_dir / ".save.partial"
    try:
        _make(output_dir)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write(partial)
        _share(partial)
        for path in _files(partial):
            _sync(path)
        for path in _files(partial):
            target = output_dir / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        _sync(output_dir)
    except (OSError, SafetensorError) as error:
        said = "make room or choose another directory, and save again"
        raise CheckpointError(f"{output_dir}: not saved ({_reason(error)}); {said}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replaced(checkpoint: Path) -> Path:
    return checkpoint.with_name(f".{checkpoint.name}.replaced")


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)


def _write_manifest(folder: Path, sequence: int) -> None:
    files = {}
    for path in _files(folder):
        _sync(path)
        name = path.relative_to(folder).as_posix()
        files[name] = {"size": path.stat().st_size, "sha256": _digest(path)}
    values = {"version": 1, "sequence": sequence, "files": files}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    _sync(manifest)
    for inner in (path for path in folder.rglob("*") if path.is_dir()):
        _sync(inner)
    _sync(folder)


def _sequence(checkpoint: Path) -> float:
    """The how-manieth checkpoint written into its directory this is; where that is damaged, infinite."""
    try:
        return int(json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["sequence"])
    except (OSError, ValueError, KeyError, TypeError):
        return math.inf


def _next_sequence(output_dir: Path) -> int:
    known = map(_sequence, complete_checkpoints(output_dir))
    return 1 + max((int(number) for number in known if number < math.inf), default=0)


def _share(folder: Path) -> None:
    """Give every file the mode a new file has here: safetensors makes its own readable by the owner alone."""
    mode = folder.stat().st_mode & 0o666
    for path in _files(folder):
        path.chmod(mode)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no directories; its renames are journaled
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)).rstrip(
        "."
    )
