"""torch_compile on flat batches: the same run. Needs a C++ compiler and half a minute."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.unit.training.tiny import Pad, quiet, rows, tagger

from evenweave import Trainer


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
@pytest.mark.filterwarnings("ignore")  # torch's own, about its compiler
def test_a_compiled_model_on_flat_batches_has_the_losses_of_a_plain_one(tmp_path: Path) -> None:
    losses = []
    for compiled in (False, True):
        trainer = Trainer(
            model=tagger(),
            args=quiet(
                tmp_path / str(compiled),
                torch_compile=compiled,
                max_steps=12,
                padding_free=True,
                learning_rate=1e-3,
            ),
            train_dataset=rows(60),
            data_collator=Pad(),
        )
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-5)
