"""Evaluation holds statistics, not logits: its memory does not grow with the rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
