"""How kernels are compiled: once a machine, kept in Numba's cache, without what nobody uses.

A compiled function has two wrappers besides, for callers in C and in Python. They cost a tenth of the time
the first call of a metric takes, so kernels do without the former, and without both where kernels alone
call them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never

from numba import njit
from numba.core.registry import CPUDispatcher

_jit: Any = njit  # its types know nothing of wrappers
kernel: Any = _jit(cache=True, nogil=True, no_cfunc_wrapper=True)


class _Inner(CPUDispatcher):
    def __call__(self, *_: Any) -> Never:
        # Without its wrapper Numba would jump to address 0.
        raise TypeError(f"{self.py_func.__name__}: compiled for other kernels alone; call its .py_func")


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels alone call."""
    compiled = _jit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    compiled.__class__ = _Inner
    return compiled
