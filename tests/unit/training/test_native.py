"""Kernels on torch's own threads, and bfloat16 as kernels read and write it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from evenweave.kernels.half import narrow, widen
from evenweave.kernels.threads import ALONE, in_parts
from evenweave.training.native import plain, team


@njit(error_model="numpy", nogil=True)
def _note(part: int, parts: int, times: Any, seen: Any, value: float) -> None:
    times[part] += 1
    seen[part] = value * part / parts


@njit(error_model="numpy", nogil=True)
def _note_all(team: Any, times: Any, seen: Any, value: float) -> None:
    in_parts(team, len(times), _note, (times, seen, value))


@given(parts=st.integers(0, 300), threads=st.integers(0, 5), value=st.floats(-9, 9))
def test_each_part_is_done_once_whatever_the_threads(parts: int, threads: int, value: float) -> None:
    for given_team in (ALONE, (team()[0], threads)):
        times, seen = np.zeros(parts, np.int64), np.full(parts, np.nan)
        _note_all(given_team, times, seen, value)
        assert (times == 1).all()
        assert np.array_equal(seen, value * np.arange(parts) / max(parts, 1))


# Threads of the process: before, after torch's own loops, after a kernel's.
_COUNT = """
import os
import numpy as np
import torch
from evenweave.kernels.adam import squared
from evenweave.training.native import team

def threads():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(3)
bits = np.full(10_000_000, 0x3F80, np.uint16)
place, first, whole, half = (np.array([x]) for x in (bits.ctypes.data, 9, len(bits), True))
assert squared(team(), place, first, half) == 9  # one part: compiled, and no threads yet
first = threads()
{before}
between = threads()
assert squared(team(), place, whole, half) == 10_000_000
print(team()[0] != 0, between - first, threads() - between)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("before", "expected"), [("pass", "True 0 2"), ("torch.ones(10_000_000).exp_()", "True 2 0")]
)
def test_the_threads_are_torchs(before: str, expected: str) -> None:
    """Two more for three: a kernel starts them as torch does, and takes those that torch has started."""
    found = subprocess.run(
        [sys.executable, "-c", _COUNT.format(before=before)],
        env={**os.environ, "OMP_NUM_THREADS": "3"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout.strip() == expected, found.stderr


@njit(error_model="numpy")
def _widen(source: Any, out: Any) -> None:
    widen(source, out)


@njit(error_model="numpy")
def _narrow(source: Any, out: Any) -> None:
    narrow(source, out)


def test_every_bfloat16_is_read_as_torch_does() -> None:
    halves = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    out = np.empty(65536, np.float32)
    _widen(plain(halves), out)
    assert np.array_equal(out.view(np.uint32), halves.float().numpy().view(np.uint32))


@given(seed=st.integers(0, 2**32))
def test_float32_is_rounded_as_torch_does(seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2**32, 4096, dtype=np.uint32)
    bits[:8] = [0, 0x80000000, 0x7F800000, 0xFF800000, 0x3F808000, 0x3F818000, 0x7F7FFFFF, 0x00000001]
    values = bits.view(np.float32)
    out = np.empty(4096, np.uint16)
    _narrow(values, out)
    expected = torch.from_numpy(values).bfloat16()
    same = out == plain(expected)
    # What is no number stays none, though which of them is not said.
    assert (same | np.isnan(values)).all()
    assert torch.from_numpy(out).view(torch.bfloat16)[np.isnan(values)].isnan().all()


def test_float32_is_copied() -> None:
    values, out = np.arange(9, dtype=np.float32), np.empty(9, np.float32)
    for function in (_widen, _narrow):
        out[:] = 0
        function(values, out)
        assert np.array_equal(out, values)
