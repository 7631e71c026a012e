"""Freed memory stays with the process while a block runs, in one piece, and goes back at its end."""

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


# Every other one of 2,000 arrays is freed, 100 MB in all; how much is free but for the end of the heap.
GAPS = """
from evenweave.training import memory
library = memory._gnu_library()
blocks = [torch.ones(25_000) for _ in range(2000)]
del blocks[::2]

def gaps():
    usage = library.mallinfo2()
    return usage.fordblks - usage.keepcost
"""
told = pytest.mark.skipif(
    not hasattr(memory._gnu_library(), "mallinfo2"), reason="a C library that does not tell its gaps"
)


@told
def test_gaps_are_set_aside_in_a_block() -> None:
    run(
        GAPS
        + """
seen = [gaps()]
for wanted in (False, True):
    with memory_kept(wanted=wanted):
        seen.append(gaps())
        with memory_kept(wanted=wanted):
            pass
        seen.append(gaps())
    seen.append(gaps())
many = [size > 80e6 for size in seen]
assert many == [True, True, True, True, False, False, True], seen
assert all(float(block[0]) == 1 for block in blocks)
"""
    )


@told
def test_gaps_that_are_set_aside_take_no_memory() -> None:
    run(
        GAPS
        + """
before = resident()
with memory_kept(wanted=True):
    held = resident() - before
assert held < -50e6, held
"""
    )
