"""Resuming what is another run's: one line that says what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.training.tiny import NAMES, Pad, quiet, rows, tagger

from evenweave.errors import CheckpointError
from evenweave.training import Trainer, TrainerCallback
from evenweave.training.checkpoint import verify

SAVED: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "max_steps": 2}


def make(folder: Path, model: Any = None, *, callbacks: list[Any] | None = None, **given: Any) -> Trainer:
    return Trainer(
        model=tagger() if model is None else model,
        args=quiet(folder, **{**SAVED, **given}),
        train_dataset=rows(24),
        eval_dataset=rows(8, seed=1),
        data_collator=Pad(),
        callbacks=callbacks,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    make(folder).train()
    return folder / "checkpoint-2"


def like(model: Any, kind: Any = None, **other: Any) -> Any:
    """Return a model of that configuration with other values."""
    config = type(model.config)(**{**model.config.to_dict(), **other})
    return (kind or type(model))(config)


def named(*names: str) -> Any:
    model = tagger()
    model.config.id2label = dict(enumerate(names))
    return model


def pooled() -> Any:
    from transformers import BertForSequenceClassification

    return like(tagger(), BertForSequenceClassification)


def frozen() -> Any:
    model = tagger()
    model.bert.embeddings.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: like(tagger(), hidden_size=32),
            r"word_embeddings.weight is \[50, 16\] there and \[50, 32\]",
        ),
        (lambda: like(tagger(), num_hidden_layers=3), r"layer\.2\..* \[16, 16\] is not there"),
        (lambda: like(tagger(), num_hidden_layers=1), r"layer\.1\..* \[16, 16\] is not in this model"),
        (lambda: like(tagger(), id2label={0: "a"}), r"classifier.* is \[5, 16\] there and \[1, 16\]"),
        (lambda: torch.nn.Linear(2, 2), r"bert\..* is not in this model"),
        (pooled, r"bert\.pooler\.dense\.weight \[16, 16\] is not there"),
        (frozen, "let the same parameters be trained as then"),
        (lambda: named(*NAMES[:1], *NAMES[:0:-1]), "label 1 is 'B-PER' there and 'I-LOC' in this model"),
    ],
)
def test_another_models_checkpoint_is_refused(saved: Path, tmp_path: Path, model: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        make(tmp_path, model(), max_steps=4).train(resume_from_checkpoint=str(saved))
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [[f"LABEL_{i}" for i in range(5)], NAMES])
def test_labels_without_names_fit_any(saved: Path, tmp_path: Path, names: list[str]) -> None:
    assert make(tmp_path, named(*names), max_steps=4).train(str(saved)).global_step == 4


@pytest.mark.parametrize("optim", ["sgd", "adagrad", "rmsprop", "adafactor"])
def test_another_optimizers_checkpoint_is_refused_either_way(saved: Path, tmp_path: Path, optim: str) -> None:
    with pytest.raises(
        CheckpointError, match=r"state of AdamW, and this run's optimizer is \w+; resume with"
    ):
        make(tmp_path / "a", max_steps=4, optim=optim).train(str(saved))
    make(tmp_path / "b", optim=optim).train()
    with pytest.raises(CheckpointError, match="this run's optimizer is AdamW"):
        make(tmp_path / "b", max_steps=4).train(resume_from_checkpoint=True)
    again = make(tmp_path / "b", optim=optim, max_steps=4)
    assert again.train(resume_from_checkpoint=True).global_step == 4


def test_another_kind_of_schedule_is_refused(saved: Path, tmp_path: Path) -> None:
    trainer = make(tmp_path, max_steps=4, lr_scheduler_type="reduce_lr_on_plateau", eval_strategy="steps")
    with pytest.raises(CheckpointError, match="state of another schedule than ReduceLROnPlateau"):
        trainer.train(str(saved))
    assert make(tmp_path, max_steps=4, lr_scheduler_type="cosine").train(str(saved)).global_step == 4


def test_a_damaged_best_checkpoint_is_one_line_and_the_model_stays(tmp_path: Path) -> None:
    class Damage(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 2:
                (tmp_path / "checkpoint-2" / "model.safetensors").write_bytes(b"\x08")

    best: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True}
    best |= {"metric_for_best_model": "loss", "greater_is_better": True, "learning_rate": 1e-3}
    trainer = make(tmp_path, callbacks=[Damage()], max_steps=4, **best)
    with pytest.raises(CheckpointError, match=r"load_best_model_at_end: .*checkpoint-2: .*save_model\(\)"):
        trainer.train()
    verify(tmp_path / "checkpoint-4")
    trainer.save_model(str(tmp_path / "last"))
    written = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("last", "checkpoint-4")]
    assert written[0] == written[1]
