"""Freed memory stays with the process while a block runs, and goes back at its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evenweave.training import memory

pytestmark = pytest.mark.skipif(memory._gnu_library() is None, reason="not the GNU C library")

# Each in a process of its own: what others have freed before decides where memory comes from.
SETTING = """
import resource
import torch
from evenweave.training.memory import memory_kept

def faults(rounds=40):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(8 << 20)  # 32 MB, 8,192 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

outside = faults()
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", SETTING + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pages_are_made_a_few_times_inside_a_block() -> None:
    run(
        """
with memory_kept(wanted=True):
    inside = faults()
    with memory_kept(wanted=True):
        pass
    still = faults()  # an inner block does not end the outer one
assert inside < outside / 2 and still < outside / 2, (inside, still, outside)
"""
    )


def test_memory_goes_back_at_the_end() -> None:
    run(
        """
before = resident()
with memory_kept(wanted=True):
    torch.ones(64 << 20)
    held = resident() - before
left = resident() - before
assert held > 200e6 and left < 50e6, (held, left)
"""
    )
