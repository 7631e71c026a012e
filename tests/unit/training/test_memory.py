"""Evaluation holds statistics, not logits: its memory does not grow with the rows. Gaps in the heap."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenweave.training import memory

REPO = Path(__file__).resolve().parents[3]


def peak(rows: int) -> int:
    """KiB at the highest of a process that evaluates so many rows."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("memory_probe.py")), str(rows)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO), "MALLOC_ARENA_MAX": "1"},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_ten_times_the_rows_take_no_more_memory() -> None:
    few, many = peak(2_000), peak(20_000)
    assert many < 1.05 * few, f"{few} KiB for 2,000 rows, {many} KiB for 20,000"


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_the_memory_of_ten_thousand() -> None:
    few, many = peak(10_000), peak(100_000)
    assert many < 1.05 * few, f"{few} KiB for 10,000 rows, {many} KiB for 100,000"


def in_gaps(library: Any) -> int:
    """Bytes that are free, but for the end of the heap."""
    usage = library.mallinfo2()
    return int(usage.fordblks - usage.keepcost)


def test_gaps_are_set_aside_while_memory_is_kept() -> None:
    library = memory._gnu_library()
    if library is None or not hasattr(library, "mallinfo2"):
        pytest.skip("not the GNU C library, or an old one")
    # Every other one of many arrays is freed.
    blocks = [np.zeros(100_000, np.uint8) for _ in range(2000)]
    del blocks[::2]
    before = in_gaps(library)
    assert before > 80e6
    with memory.memory_kept(wanted=False):
        assert in_gaps(library) > 80e6
    with memory.memory_kept(wanted=True):
        assert in_gaps(library) < 0.2 * before
        with memory.memory_kept(wanted=True):
            pass
        assert in_gaps(library) < 0.2 * before
    assert in_gaps(library) > 80e6
    assert len(blocks) == 1000


def test_gaps_that_are_set_aside_take_no_memory() -> None:
    blocks = [np.ones(100_000, np.uint8) for _ in range(2000)]
    del blocks[::2]
    full = resident()
    with memory.memory_kept(wanted=True):
        assert resident() < full
    assert len(blocks) == 1000


def resident() -> int:
    """Pages of the process that are in memory."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc")
    return int(Path("/proc/self/statm").read_text().split()[1])
