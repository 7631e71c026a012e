"""Tensors and threads as kernels take them: see `kernels/half.py` and `kernels/threads.py`."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from evenweave.kernels.threads import Team


def team() -> Team:
    """Return where to start threads and how many: those of torch's own loops."""
    return _start(), torch.get_num_threads()


def plain(x: Tensor) -> NDArray[Any]:
    """Return the memory of a tensor on the CPU: float32 as it is, bfloat16 as its bits in uint16."""
    made: NDArray[Any] = x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()
    return made


@cache
def _start() -> int:
    """Return the address of GOMP_parallel as torch itself finds it; 0 where it has another runtime."""
    for library in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        try:
            return ctypes.cast(ctypes.CDLL(str(library)).GOMP_parallel, ctypes.c_void_p).value or 0
        except (OSError, AttributeError):
            continue
    return 0
