"""Freed memory stays with the process while a block runs, and goes back at its end."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from evenweave.training import memory
from evenweave.training.memory import memory_kept

pytestmark = pytest.mark.skipif(memory._gnu_library() is None, reason="not the GNU C library")


def faults_of_a_large_tensor() -> int:
    """Pages the system has to make for 32 MB that were had and freed several times before."""
    for _ in range(8):
        torch.ones(8 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_pages_are_made_once_inside_a_block_and_each_time_outside() -> None:
    with memory_kept(wanted=True):
        assert faults_of_a_large_tensor() < 1000
        with memory_kept(wanted=True):
            pass
        assert faults_of_a_large_tensor() < 1000, "an inner block must not end the outer one"
    assert faults_of_a_large_tensor() > 4000


def test_memory_goes_back_at_the_end() -> None:
    before = resident()
    with memory_kept(wanted=True):
        torch.ones(64 << 20)
        assert resident() - before > 200e6
    assert resident() - before < 50e6


def test_not_wanted_changes_nothing() -> None:
    with memory_kept(wanted=False):
        assert faults_of_a_large_tensor() > 4000
