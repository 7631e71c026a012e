"""The garbage collector while kernels are compiled."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from numba.core import event

from evenweave.kernels.compiled import kernel


class Watcher(event.Listener):
    """Notes whether the collector was on whenever a compilation began."""

    def __init__(self) -> None:
        self.seen: list[bool] = []

    def on_start(self, event: Any) -> None:
        self.seen.append(gc.isenabled())

    def on_end(self, event: Any) -> None:
        pass


@pytest.mark.parametrize("collects", [True, False])
def test_compiling_does_without_the_collector_and_leaves_it_as_it_was(
    collects: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    double = kernel(lambda x: 2 * x)
    watcher, before = Watcher(), gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with event.install_listener("numba:compile", watcher):
            assert double(3) == 6
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
    assert watcher.seen == [False]
