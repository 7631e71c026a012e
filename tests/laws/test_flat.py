"""Law: a flat batch gives the logits and gradients of the padded one, for every model that may run flat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.training.tiny import Pad, quiet, rows, tagger

from evenweave.training import Trainer
from evenweave.training.flat_attention import use_layout
from evenweave.training.flat_layout import flatten
from evenweave.training.fused_layer import FusedLayer
from evenweave.training.loss import Loss, kind_of
from evenweave.training.padding_free import make_flat

SMALL: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
    "num_labels": 5,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Bert": ("BertConfig", SMALL),
    "Roberta": ("RobertaConfig", {**SMALL, "pad_token_id": 1}),
    "XLMRoberta": ("XLMRobertaConfig", {**SMALL, "pad_token_id": 1}),
    "Electra": ("ElectraConfig", {**SMALL, "embedding_size": 8}),
    "Albert": ("AlbertConfig", {**SMALL, "embedding_size": 8, "classifier_dropout_prob": 0.0}),
    "DistilBert": (
        "DistilBertConfig",
        {
            "vocab_size": 50,
            "dim": 16,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 32,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "seq_classif_dropout": 0.0,
            "max_position_embeddings": 64,
            "num_labels": 5,
        },
    ),
    "ModernBert": (
        "ModernBertConfig",
        {
            "vocab_size": 50,
            "hidden_size": 16,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
            "local_attention": 8,
            "pad_token_id": 0,
            "cls_token_id": 5,
            "bos_token_id": 5,
            "eos_token_id": 6,
            "sep_token_id": 6,
            "num_labels": 5,
        },
    ),
}
TASKS = ("TokenClassification", "SequenceClassification", "MaskedLM")
FALL_BACK: dict[str, tuple[str, dict[str, Any]]] = {
    "DebertaV2": ("DebertaV2Config", {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "MPNet": ("MPNetConfig", {**SMALL, "pad_token_id": 1}),
    # Its modules have BERT's names, and short rows BERT's attention; long ones not.
    "BigBird": ("BigBirdConfig", {**SMALL, "attention_type": "original_full"}),
}


def _model(family: str, task: str, known: dict[str, tuple[str, dict[str, Any]]] = FAMILIES) -> Any:
    import transformers

    name, settings = known[family]
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}For{task}")(getattr(transformers, name)(**settings))
    for parameter in model.parameters():  # norms and biases that are 1 and 0 would hide mistakes
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def _batch(task: str, pad: int) -> dict[str, torch.Tensor]:
    batch = Pad()(rows(7, seed=3, longest=25))
    batch["input_ids"][batch["attention_mask"] == 0] = pad
    if task == "SequenceClassification":
        batch["labels"] = torch.arange(7) % 5
    return batch


def _gradients(
    model: Any, inputs: dict[str, torch.Tensor], labels: torch.Tensor
) -> tuple[float, dict[str, Any]]:
    model.zero_grad()
    loss = Loss(kind_of(model))
    total = loss.sum(model(**inputs), labels) / loss.count(labels)
    total.backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return total.item(), found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_flat_is_padded(family: str, task: str) -> None:
    model = _model(family, task).train()
    batch = _batch(task, model.config.pad_token_id or 0)
    labels = batch.pop("labels")
    expected = _gradients(model, batch, labels)
    found = make_flat(model, wanted=True, half=False)
    assert found is not None
    made = flatten(
        {**batch, "labels": labels}, position_start=found.position_start, device=torch.device("cpu")
    )
    assert made is not None
    use_layout(made[1])
    flat_labels = made[0].pop("labels")
    loss, gradients = _gradients(model, made[0], flat_labels)
    use_layout(None)
    assert loss == pytest.approx(expected[0], abs=1e-5)
    assert set(gradients) == set(expected[1])
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[1][name], atol=1e-5, rtol=1e-4, msg=name)
    # The same model still takes padded batches.
    assert _gradients(model, batch, labels)[0] == pytest.approx(expected[0], abs=1e-5)


@pytest.mark.parametrize("family", FALL_BACK)
def test_models_that_cannot_fall_back_and_say_so(family: str, caplog: pytest.LogCaptureFixture) -> None:
    model = _model(family, "TokenClassification", FALL_BACK)
    batch = _batch("TokenClassification", 1)
    before = model.eval()(**{k: v for k, v in batch.items() if k != "labels"}).logits
    with caplog.at_level("INFO", logger="evenweave"):
        assert make_flat(model, wanted="auto", half=False) is None
    assert "padded batches" in caplog.text
    assert not any(isinstance(module, FusedLayer) for module in model.modules())
    after = model(**{k: v for k, v in batch.items() if k != "labels"}).logits
    torch.testing.assert_close(after, before)


def test_a_causal_model_sees_no_other_sequence_and_no_later_token() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=50,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
    )
    model = GPT2LMHeadModel(config).eval()
    found = make_flat(model, wanted=True, half=False)
    assert found is not None
    batch = Pad()(rows(6, seed=8, longest=20))
    made = flatten(batch, position_start=found.position_start, device=torch.device("cpu"))
    assert made is not None
    use_layout(None)
    padded = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    use_layout(made[1])
    flat = model(input_ids=made[0]["input_ids"], position_ids=made[0]["position_ids"]).logits[0]
    use_layout(None)
    for row, part in enumerate(made[1].split(flat.detach().numpy()[None], per_token=True)):
        torch.testing.assert_close(torch.from_numpy(part), padded[row, : len(part)], atol=1e-5, rtol=1e-4)


def test_bfloat16_is_near_and_its_probabilities_stay_float32() -> None:
    model = _model("Bert", "TokenClassification").train()
    batch = _batch("TokenClassification", 0)
    labels = batch.pop("labels")
    expected = _gradients(model, batch, labels)
    found = make_flat(model, wanted=True, half=True)
    assert found is not None
    made = flatten({**batch, "labels": labels}, position_start=0, device=torch.device("cpu"))
    assert made is not None
    use_layout(made[1])
    flat_labels = made[0].pop("labels")
    model.zero_grad()
    loss = Loss("tokens")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(**made[0])
    (loss.sum(outputs, flat_labels) / loss.count(flat_labels)).backward()
    use_layout(None)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, expected[1][name], atol=0.02, rtol=0.1, msg=name)


def _left(batch: dict[str, Any]) -> None:
    width = batch["input_ids"].shape[1]
    shifts = (width - batch["attention_mask"].sum(1)).tolist()
    for name, value in batch.items():
        batch[name] = torch.stack([row.roll(shift) for row, shift in zip(value, shifts, strict=True)])


def _positions(batch: dict[str, Any]) -> None:
    ids = batch["input_ids"]
    batch["position_ids"] = torch.arange(ids.shape[1]).flip(0)[None].expand(len(ids), -1)


def _hole(batch: dict[str, Any]) -> None:
    batch["attention_mask"][:, 1] = 0


def _labelled_padding(batch: dict[str, Any]) -> None:
    batch["labels"][batch["labels"] == -100] = 0


@pytest.mark.parametrize("change", [_left, _positions, _hole, _labelled_padding])
def test_batches_that_flat_ones_would_change_stay_padded(tmp_path: Path, change: Any) -> None:
    class Changed(Pad):
        def __call__(self, features: Any) -> dict[str, torch.Tensor]:
            batch = super().__call__(features)
            change(batch)
            return batch

    found = []
    for padding_free in (True, False):
        trainer = Trainer(
            model=tagger(),
            args=quiet(tmp_path, padding_free=padding_free, max_steps=3, learning_rate=1e-2),
            train_dataset=rows(24),
            data_collator=Changed(),
        )
        predicted = trainer.predict(rows(6))
        found.append((trainer.train().training_loss, predicted.metrics, predicted))
    (loss, metrics, flat), (expected, others, padded) = found
    assert loss == pytest.approx(expected)
    assert metrics["test_loss"] == pytest.approx(others["test_loss"])
    np.testing.assert_allclose(flat.predictions, padded.predictions, atol=1e-6)
    np.testing.assert_array_equal(flat.label_ids, padded.label_ids)


def test_arrays_of_predictions_keep_what_a_mask_has_holes_in(tmp_path: Path) -> None:
    class Hole(Pad):
        def __call__(self, features: Any) -> dict[str, torch.Tensor]:
            batch = super().__call__(features)
            _hole(batch)
            return batch

    data = rows(6, seed=3)
    found = Trainer(model=tagger(), args=quiet(tmp_path), data_collator=Hole()).predict(data)
    for row, labels in zip(data, found.label_ids, strict=True):
        assert labels[: len(row["labels"])].tolist() == row["labels"]
