"""The threads that torch computes with on a CPU, for kernels of ours: see `kernels/threads.py`."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

from evenweave.kernels.threads import Team


def team() -> Team:
    """Return where to start threads and how many: those of torch's own loops."""
    return _start(), torch.get_num_threads()


@cache
def _start() -> int:
    """Return the address of GOMP_parallel as torch itself finds it; 0 where it has another runtime."""
    for library in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        try:
            return ctypes.cast(ctypes.CDLL(str(library)).GOMP_parallel, ctypes.c_void_p).value or 0
        except (OSError, AttributeError):
            continue
    return 0
