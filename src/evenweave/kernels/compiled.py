"""How kernels are compiled: once a machine, kept in Numba's cache, without what nobody uses.

A compiled function has two wrappers besides, for callers in C and in Python. They cost a tenth of the time
the first call of a metric takes, so kernels do without the former, and without both where kernels alone
call them. Python's garbage collector would take another fourteenth: the compiler makes a great many objects.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Never

from numba import njit
from numba.core.registry import CPUDispatcher

_jit: Any = njit  # its types know nothing of wrappers


@contextmanager
def _uncollected() -> Iterator[None]:
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class _Kernel(CPUDispatcher):
    def compile(self, sig: Any) -> Any:
        with _uncollected():
            return super().compile(sig)


class _Inner(_Kernel):
    def __call__(self, *_: Any) -> Never:
        # Without its wrapper Numba would jump to address 0.
        raise TypeError(f"{self.py_func.__name__}: compiled for other kernels alone; call its .py_func")


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function.

    Args:
        options: more of Numba's, such as `fastmath`; then what is returned takes the function.
    """
    if function is None:
        return partial(kernel, **options)
    compiled = _jit(cache=True, nogil=True, no_cfunc_wrapper=True, **options)(function)
    compiled.__class__ = _Kernel
    return compiled


def locking(function: Callable[..., Any]) -> Any:
    """Compile a function that reads Python's objects, and so keeps its lock."""
    compiled = _jit(cache=True, no_cfunc_wrapper=True)(function)
    compiled.__class__ = _Kernel
    return compiled


def inner(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function that kernels alone call; with `options` as `kernel` takes them."""
    if function is None:
        return partial(inner, **options)
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled = _jit(cache=True, nogil=True, **wrappers, **options)(function)
    compiled.__class__ = _Inner
    return compiled
