"""Trackers: what they get, and what is said when one does not start."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.training.tiny import Pad, quiet, rows, tagger

from evenweave.errors import TrainingError
from evenweave.training import Trainer

pytest.importorskip("tensorboard")


def trained(out: Path, **more: object) -> Trainer:
    trainer = Trainer(
        model=tagger(),
        args=quiet(out, max_steps=1, report_to="tensorboard", **more),
        data_collator=Pad(),
        train_dataset=rows(8),
    )
    trainer.train()
    return trainer


def test_each_run_of_a_trainer_is_tracked(tmp_path: Path) -> None:
    trained(tmp_path).train()
    assert len(list(tmp_path.rglob("events.out.*"))) >= 2


def test_a_tracker_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no directory")
    with pytest.raises(TrainingError, match="report_to='tensorboard': did not start"):
        trained(tmp_path / "run", logging_dir=tmp_path / "logs")
