"""CUDA graphs: the step they replay is the step that was captured. Needs a GPU; skipped without one."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForTokenClassification

from evenweave import Columns, DataCollatorForTokenClassification, Ragged, Trainer, TrainingArguments
from evenweave.training import graphs
from evenweave.training.flat_layout import rung_of

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


class Ids:
    """What a collator asks of a tokenizer when rows are ids already."""

    pad_token_id, pad_token_type_id, padding_side = 0, 0, "right"
    model_input_names = ("input_ids", "attention_mask")
    pad_token = "[PAD]"


def rows(count: int = 64) -> Columns:
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 60, count)
    ids = Ragged.from_lengths(rng.integers(5, 90, sizes.sum()), sizes)
    return Columns({"input_ids": ids, "labels": Ragged.from_lengths(rng.integers(0, 5, sizes.sum()), sizes)})


def model(dropout: float = 0.0) -> Any:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=100, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        num_labels=5, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    return BertForTokenClassification(config)


def trained(
    folder: Path,
    *,
    dropout: float = 0.0,
    resume: bool = False,
    waits: bool = False,
    **given: Any,
) -> tuple[Any, Trainer]:
    usual = {"max_steps": 12, "per_device_train_batch_size": 4, "save_strategy": "no", "learning_rate": 1e-3}
    args = TrainingArguments(str(folder), bf16=True, logging_steps=1, disable_tqdm=True, **{**usual, **given})
    made = model(dropout)
    if waits:  # asks the device for a number halfway, which no graph can hold
        made.classifier.register_forward_hook(
            lambda _, __, out: None if float(out.detach().sum()) < 1e9 else out
        )
    trainer = Trainer(
        model=made, args=args, train_dataset=rows(), data_collator=DataCollatorForTokenClassification(Ids())
    )
    trainer.train(resume_from_checkpoint=resume or None)
    assert trainer.ranks.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    return made, trainer


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("tokens", [1, 63, 64, 65, 96, 97, 128, 129, 161, 1000, 1536, 1537])
def test_rungs_are_close_above(tokens: int) -> None:
    assert tokens <= rung_of(tokens, per_octave=2) <= max(64, 1.5 * tokens)
    assert tokens <= rung_of(tokens, per_octave=8) <= max(64, 1.125 * tokens, tokens + 31)
    assert rung_of(tokens, per_octave=8) % 32 == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a Trainer on the CPU would keep the process there")
def test_without_a_gpu_there_are_none_and_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="evenweave")
    trained(tmp_path, max_steps=1, cuda_graphs=True, use_cpu=True)
    assert "CUDA graphs" not in caplog.text


@gpu
@pytest.mark.parametrize("more", [{}, {"gradient_accumulation_steps": 3}, {"max_grad_norm": 0.0}])
def test_the_losses_and_weights_are_those_of_steps_without_graphs(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    plain, one = trained(tmp_path / "a", cuda_graphs=False, **more)
    graphed, other = trained(tmp_path / "b", **more)
    np.testing.assert_allclose(losses(other), losses(one), rtol=2e-3)
    for a, b in zip(plain.parameters(), graphed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-3)


@gpu
def test_dropout_differs_from_replay_to_replay(tmp_path: Path) -> None:
    still = {"learning_rate": 0.0, "per_device_train_batch_size": 64, "max_steps": 4}
    _, trainer = trained(tmp_path, dropout=0.5, **still)
    assert len(set(losses(trainer))) == 4


@gpu
def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    kept = {"dropout": 0.1, "save_strategy": "steps", "save_steps": 6}
    whole, one = trained(tmp_path / "a", **kept)
    trained(tmp_path / "b", **kept)
    shutil.rmtree(tmp_path / "b" / "checkpoint-12")
    resumed, other = trained(tmp_path / "b", resume=True, **kept)
    assert losses(other) == losses(one)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@gpu
def test_batches_that_cannot_be_flat_join_the_same_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one = trained(tmp_path / "a", cuda_graphs=False)
    calls = iter(range(1000))
    usual = graphs.flatten
    monkeypatch.setattr(
        graphs, "flatten", lambda *args, **given: usual(*args, **given) if next(calls) % 2 else None
    )
    made, other = trained(tmp_path / "b")
    np.testing.assert_allclose(losses(other), losses(one), rtol=2e-3)
    assert all(parameter.grad is None for parameter in made.parameters())


@gpu
def test_a_model_that_cannot_be_captured_trains_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="evenweave")
    _, one = trained(tmp_path / "a", cuda_graphs=False)
    _, other = trained(tmp_path / "b", waits=True)
    np.testing.assert_allclose(losses(other), losses(one), rtol=2e-3)
    assert caplog.text.count("no CUDA graphs of this model") == 1
