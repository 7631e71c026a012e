"""Where a run ran: versions, device, commit."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from typing import TYPE_CHECKING

from evenweave._version import __version__

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer


def device(trainer: Trainer) -> str:
    """Return what a run computed on."""
    import torch

    device = trainer.ranks.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    return f"{trainer.ranks.world} x {name}" if trainer.ranks.world > 1 else name


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"evenweave": __version__, "python": platform.python_version()}
    for package in ("torch", "transformers", "tokenizers"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Return the commit of the repository the run was started in, with a + if files differ from it."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head[:12]}+" if changed else head[:12]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()
