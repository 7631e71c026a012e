"""Two ranks give the gradients of one process, for every kind of model, smoothing and class weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.distributed.test_ranks import launch
from tests.laws.test_batching import CASES, first_step_of


@pytest.fixture(scope="module")
def of_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    done = launch(str(Path(__file__).with_name("heads.py")), str(folder), ranks=2)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_of_four_rows_are_eight_rows(of_two_ranks: Path, name: str, tmp_path: Path) -> None:
    found = load_file(of_two_ranks / f"{list(CASES).index(name)}.safetensors")
    gradients, loss = first_step_of(name, tmp_path, size=8, accumulation=1)
    assert found.pop("loss").item() == pytest.approx(loss, abs=1e-6)
    assert len(found) == len(gradients)
    for index, gradient in enumerate(gradients):
        torch.testing.assert_close(found[str(index)], gradient, atol=1e-6, rtol=1e-5)
