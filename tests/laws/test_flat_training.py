"""Law: over a whole run flat and padded batches have the same losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.training.tiny import Pad, quiet, rows, tagger

from evenweave import Trainer


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_200_steps_of_flat_and_of_padded_batches_have_the_same_losses(tmp_path: Path, decay: float) -> None:
    """float32, dropout 0, each step's loss to 1e-5."""
    losses = []
    for flat in (True, False):
        trainer = Trainer(
            model=tagger(),
            args=quiet(
                tmp_path / str(flat), padding_free=flat, max_steps=200, learning_rate=5e-4, weight_decay=decay
            ),
            train_dataset=rows(300),
            data_collator=Pad(),
        )
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert len(losses[0]) == 200
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)
    assert losses[0][-1] < losses[0][0]
