"""Numba's first compiled call asks for SciPy's BLAS; here it is only asked whether there is one.

To know whether `a @ b` could be compiled, Numba imports all of `scipy.linalg`, a sixth of the time of a
metric's first call, and no kernel of ours multiplies matrices. Numba asks again, in earnest, when a function
that does is compiled; so nobody else's function misses it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numba.np.linalg

linalg: Any = numba.np.linalg


def _is_there() -> None:
    if find_spec("scipy") is None:
        raise ImportError("scipy: not installed")


def put_off() -> None:
    """Have Numba's module that asks imported now, with a question that costs nothing."""
    asked = getattr(linalg, "ensure_blas", None)
    if asked is None or "numba.np.arraymath" in sys.modules:
        return
    linalg.ensure_blas = _is_there
    try:
        import numba.np.arraymath
    finally:
        linalg.ensure_blas = asked
    arraymath: Any = numba.np.arraymath
    arraymath.ensure_blas = asked
