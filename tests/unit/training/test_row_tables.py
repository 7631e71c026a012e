"""Training with a vocabulary large enough to be updated row by row: the same run, files and modules."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.unit.training import tiny
from torch import nn

from evenweave import Trainer, TrainerCallback, TrainingArguments
from evenweave.training.row_tables import RowEmbedding

VOCABULARY = 3000


def tagger(dropout: float = 0.0) -> Any:
    model = tiny.tagger(dropout=dropout)
    torch.manual_seed(3)
    model.resize_token_embeddings(VOCABULARY)
    return model


def rows(count: int = 40) -> list[dict[str, list[int]]]:
    """Ids of which a few are frequent and most are rare."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        ids = (5 + (VOCABULARY - 5) ** generator.random(generator.integers(1, 20)) - 1).astype(int)
        made.append({"input_ids": ids.tolist(), "labels": (ids % 5).tolist()})
    return made


def trained(folder: Path, *, resume: bool = False, **given: Any) -> tuple[Any, Trainer]:
    usual: dict[str, Any] = {
        "num_train_epochs": 4, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "weight_decay": 0.01,
        "logging_steps": 1, "save_strategy": "epoch", "disable_tqdm": True, "use_cpu": True,
    }  # fmt: skip
    callbacks = given.pop("callbacks", [])
    model = tagger(given.pop("dropout", 0.0))
    trainer = Trainer(
        model=model,
        args=TrainingArguments(str(folder), **{**usual, **given}),
        train_dataset=rows(),
        eval_dataset=rows(8),
        data_collator=tiny.Pad(),
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=resume or None)
    return model, trainer


def words_of(model: Any) -> nn.Embedding:
    found: nn.Embedding = model.get_input_embeddings()
    return found


def test_the_run_is_that_of_torchs_dense_optimizer(tmp_path: Path) -> None:
    one, dense = trained(tmp_path / "a", optim="adamw_torch", eval_strategy="epoch")
    other, by_row = trained(tmp_path / "b", eval_strategy="epoch")
    for a, b in zip(dense.state.log_history, by_row.state.log_history, strict=True):
        for name in ("loss", "grad_norm", "eval_loss"):
            assert a.get(name) == pytest.approx(b.get(name), abs=2e-5)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-5)
    torch.testing.assert_close(
        load_file(tmp_path / "b" / "checkpoint-20" / "model.safetensors"),
        load_file(tmp_path / "a" / "checkpoint-20" / "model.safetensors"), rtol=0, atol=2e-5,
    )  # fmt: skip


def test_a_resumed_run_ends_in_the_same_bytes(tmp_path: Path) -> None:
    trained(tmp_path / "a", dropout=0.1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for step in (30, 40):
        shutil.rmtree(tmp_path / "b" / f"checkpoint-{step}")
    trained(tmp_path / "b", dropout=0.1, resume=True)
    for name in ("model.safetensors", "optimizer.safetensors"):
        one, other = (tmp_path / run / "checkpoint-40" / name for run in "ab")
        assert one.read_bytes() == other.read_bytes(), name


class Look(TrainerCallback):
    """Notes the kind of the embedding, and fails where it is told to."""

    def __init__(self, *, fail: bool = False) -> None:
        self.fail, self.seen = fail, set[type]()

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.seen.add(type(words_of(more["model"])))
        if self.fail:
            raise RuntimeError("as a user's own might")


@pytest.mark.parametrize("fail", [False, True])
def test_the_embedding_is_a_plain_one_again_however_training_ends(tmp_path: Path, fail: bool) -> None:
    look = Look(fail=fail)
    model = tagger()
    args = TrainingArguments(str(tmp_path), max_steps=2, disable_tqdm=True, use_cpu=True)
    trainer = Trainer(
        model=model, args=args, train_dataset=rows(), data_collator=tiny.Pad(), callbacks=[look]
    )
    if fail:
        with pytest.raises(RuntimeError, match="as a user's own"):
            trainer.train()
    else:
        trainer.train()
    assert look.seen == {RowEmbedding}
    assert type(words_of(model)) is nn.Embedding
    out = model(torch.tensor([[7, 8]]), labels=torch.tensor([[1, 2]]))
    out.loss.backward()
    gradient = words_of(model).weight.grad
    assert gradient is not None
    assert not gradient.is_sparse


def test_a_tied_table_keeps_its_dense_gradient(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    model, look = BertForMaskedLM(config), Look()
    args = TrainingArguments(str(tmp_path), max_steps=2, disable_tqdm=True, use_cpu=True)
    Trainer(model=model, args=args, train_dataset=rows(), data_collator=tiny.Pad(), callbacks=[look]).train()
    assert look.seen == {nn.Embedding}


class Gradients(TrainerCallback):
    """Notes the norm of the gradients as the event before the optimizer's step shows them."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        parts = [p.grad.to_dense() for p in more["model"].parameters() if p.grad is not None]
        self.norms.append(float(torch.stack([part.norm() for part in parts]).norm()))


def test_a_callback_before_the_step_sees_clipped_gradients_and_changes_nothing(tmp_path: Path) -> None:
    watch = Gradients()
    seen, _ = trained(tmp_path / "a", callbacks=[watch], max_grad_norm=0.1, max_steps=8)
    unseen, _ = trained(tmp_path / "b", max_grad_norm=0.1, max_steps=8)
    assert watch.norms == pytest.approx([0.1] * 8, rel=1e-3)
    for a, b in zip(seen.parameters(), unseen.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
