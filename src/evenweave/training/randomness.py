"""Every random state of a process, to and from plain files, so that a resumed run draws on."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file


def seed_everything(seed: int, *, deterministic: bool = False) -> None:
    """Seed Python, NumPy and torch; `deterministic` also forbids torch its non-deterministic kernels."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (users' own code may draw from the legacy generator)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses to be exact without
        torch.use_deterministic_algorithms(True)


@dataclass(frozen=True)
class RandomState:
    """The random states of one process: torch's generators as tensors, the others as plain values."""

    tensors: dict[str, torch.Tensor]
    plain: dict[str, Any]


def random_state() -> RandomState:
    """Return the states of Python, NumPy and torch (CPU, and the GPU this process uses)."""
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    version, numbers, gauss = random.getstate()
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    python, legacy = [version, list(numbers), gauss], [name, np.asarray(keys).tolist(), *rest]
    return RandomState(tensors, {"python": python, "numpy": legacy})


def save_random_state(state: RandomState, folder: Path, *, rank: int) -> None:
    """Write `rng-{rank}.safetensors` (torch) and `rng-{rank}.json` (Python, NumPy)."""
    save_file(state.tensors, folder / f"rng-{rank}.safetensors")
    (folder / f"rng-{rank}.json").write_text(json.dumps(state.plain) + "\n", encoding="utf-8")


def load_random_state(folder: Path, *, rank: int) -> None:
    """Restore what `save_random_state` wrote for `rank`; a rank that was not there keeps its own."""
    if not (folder / f"rng-{rank}.json").is_file():
        return
    plain = json.loads((folder / f"rng-{rank}.json").read_text(encoding="utf-8"))
    version, numbers, gauss = plain["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = plain["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    tensors = load_file(folder / f"rng-{rank}.safetensors")
    torch.set_rng_state(tensors["cpu"])
    if "cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda"])
