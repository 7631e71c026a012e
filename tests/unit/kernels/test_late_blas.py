"""A metric's first call does not import SciPy, and a function that multiplies matrices still compiles."""

from __future__ import annotations

import subprocess
import sys

from evenweave.kernels import late_blas

SCORE = """
import sys
from evenweave.metrics import load
load("accuracy").compute(predictions=[1, 0] * 200, references=[1, 1] * 200, confidence=0.9)
assert "scipy.linalg" not in sys.modules
import numba, numpy
assert numba.njit(lambda a, b: a @ b)(numpy.eye(2), numpy.ones((2, 2))).sum() == 4
assert "scipy.linalg.cython_blas" in sys.modules
"""


def test_scipy_is_imported_where_matrices_are_multiplied_and_not_before():
    subprocess.run([sys.executable, "-c", SCORE], check=True)


def test_what_numba_asks_is_asked_again_in_earnest():
    import numba.np.arraymath
    import numba.np.linalg

    assert numba.np.linalg.ensure_blas is numba.np.arraymath.ensure_blas
    before = dict(vars(numba.np.linalg))
    late_blas.put_off()  # once is enough
    assert vars(numba.np.linalg) == before
