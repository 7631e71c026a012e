"""One forge and one uninterrupted run for all tests of reliability."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.reliability.forge import Forge, Whole, final_bytes


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    made = Forge()
    yield made
    made.close()


@pytest.fixture(scope="session")
def whole(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run nobody stopped."""
    out = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    assert forge.train(out)["error"] is None
    return Whole(out, final_bytes(out), time.monotonic() - began)
