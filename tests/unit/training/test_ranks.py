"""Which device a run takes, when another run of the same process took another."""

from __future__ import annotations

import pytest

from evenweave.training.distributed import Ranks


def test_each_run_keeps_the_device_that_it_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Ranks(use_cpu=True)
    with monkeypatch.context() as patch:
        # In place of a GPU: what a run gets that asks for nothing else.
        patch.setenv("ACCELERATE_TORCH_DEVICE", "meta")
        second = Ranks(use_cpu=False)
    third = Ranks(use_cpu=True)
    assert [str(ranks.device) for ranks in (first, second, third)] == ["cpu", "meta", "cpu"]
