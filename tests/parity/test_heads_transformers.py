"""Every kind of head trains, evaluates and predicts as with transformers' Trainer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import evenweave.training

VOCABULARY = 50
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
BART = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "dropout": 0.0,
}  # fmt: skip
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "dropout": 0.0, "attention_dropout": 0.0}
XLNET = {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "dropout": 0.0}


def token_classes(row: list[int], number: int) -> list[int]:
    return [token % 5 for token in row]


def some_tokens(row: list[int], number: int) -> list[int]:
    return [token if (token + number) % 3 == 0 else -100 for token in row]


def several(row: list[int], number: int) -> list[float]:
    return [float(number >> bit & 1) for bit in range(4)]


# name -> (class, configuration, labels of a row)
HEADS: dict[str, tuple[str, dict[str, Any], Callable[[list[int], int], Any]]] = {
    "tokens": ("BertForTokenClassification", {**SMALL, **CALM, "num_labels": 5}, token_classes),
    "roberta": ("RobertaForTokenClassification", {**SMALL, **CALM, "num_labels": 5}, token_classes),
    "albert": ("AlbertForTokenClassification", {**SMALL, "embedding_size": 16, "num_labels": 5,
               "classifier_dropout_prob": 0.0}, token_classes),
    "xlnet": ("XLNetForTokenClassification", {**XLNET, "vocab_size": 50, "num_labels": 5}, token_classes),
    "deberta": ("DebertaV2ForTokenClassification", {**SMALL, **CALM, "num_labels": 5,
                "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}, token_classes),
    "classes": ("BertForSequenceClassification", {**SMALL, **CALM, "num_labels": 4}, lambda _, n: n % 4),
    "electra": ("ElectraForSequenceClassification", {**SMALL, **CALM, "embedding_size": 16, "num_labels": 3},
                lambda _, n: n % 3),
    "distilbert": ("DistilBertForSequenceClassification", {**DISTIL, "vocab_size": 50, "num_labels": 3,
                   "seq_classif_dropout": 0.0}, lambda _, n: n % 3),
    "modernbert": ("ModernBertForSequenceClassification", {**SMALL, "num_labels": 3, "pad_token_id": 0},
                   lambda _, n: n % 3),
    "regression": ("BertForSequenceClassification", {**SMALL, **CALM, "num_labels": 1}, lambda _, n: n / 7),
    "several labels": ("BertForSequenceClassification", {**SMALL, **CALM, "num_labels": 4}, several),
    "masked": ("BertForMaskedLM", {**SMALL, **CALM}, some_tokens),
    "causal": ("LlamaForCausalLM", SMALL, lambda row, _: row),
    "t5": ("T5ForConditionalGeneration", {**T5, "vocab_size": 50, "decoder_start_token_id": 0},
           lambda row, _: row[:4]),
    "bart": ("BartForConditionalGeneration", {**BART, "vocab_size": 50, "pad_token_id": 0,
             "max_position_embeddings": 64, "decoder_start_token_id": 2}, lambda row, _: row[:4]),
    "answers": ("BertForQuestionAnswering", {**SMALL, **CALM}, lambda row, _: len(row) - 1),
}  # fmt: skip


def model(name: str, config: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    made: Any = getattr(transformers, name)
    return made(made.config_class(**config))


def data(label: Callable[[list[int], int], Any], *, of_answers: bool) -> list[dict[str, Any]]:
    draw = np.random.default_rng(3)
    rows = [draw.integers(5, VOCABULARY, size=draw.integers(2, 12)).tolist() for _ in range(24)]
    if of_answers:
        return [{"input_ids": row, "start_positions": 0, "end_positions": label(row, 0)} for row in rows]
    return [{"input_ids": row, "labels": label(row, number)} for number, row in enumerate(rows)]


def collate(features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad what is one a token, stack what is one a row."""
    batch = {}
    width = max(len(feature["input_ids"]) for feature in features)
    for name in features[0]:
        values = [feature[name] for feature in features]
        if isinstance(values[0], list) and isinstance(values[0][0], int):
            fill = -100 if name == "labels" else 0
            values = [value + [fill] * (width - len(value)) for value in values]
        batch[name] = torch.tensor(values)
    lengths = torch.tensor([[len(feature["input_ids"])] for feature in features])
    return {**batch, "attention_mask": (torch.arange(width)[None] < lengths).long()}


def run(library: Any, net: Any, rows: Any, folder: Path) -> tuple[dict[str, list[float]], Any]:
    args = library.TrainingArguments(
        str(folder / library.__name__), use_cpu=True, disable_tqdm=True, save_strategy="no", logging_steps=1,
        num_train_epochs=1, learning_rate=5e-3, per_device_train_batch_size=6, per_device_eval_batch_size=24,
        train_sampling_strategy="sequential", eval_strategy="epoch", report_to="none",
    )  # fmt: skip
    trainer = library.Trainer(
        model=net, args=args, train_dataset=rows, eval_dataset=rows, data_collator=collate
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
        predicted = trainer.predict(rows)
    history = trainer.state.log_history
    numbers = {
        name: [entry[name] for entry in history if name in entry]
        for name in ("loss", "grad_norm", "learning_rate", "eval_loss")
    }
    return numbers, predicted


@pytest.mark.parametrize("head", HEADS)
def test_heads_train_and_predict_as_theirs(tmp_path: Path, head: str) -> None:
    name, config, label = HEADS[head]
    rows = data(label, of_answers=head == "answers")
    (ours, mine), (theirs, peer) = (
        run(library, model(name, config), rows, tmp_path) for library in (evenweave.training, transformers)
    )
    for key, values in theirs.items():
        assert len(values) == len(ours[key])
        assert ours[key] == pytest.approx(values, rel=1e-4, abs=1e-5), key
    assert np.array_equal(np.array(mine.label_ids), np.array(peer.label_ids))
    # Encoders with a decoder give hidden states as well there; where a row is padded, ours gives -100.
    both = [
        list(given) if head == "answers" else [given[0] if isinstance(given, tuple) else given]
        for given in (mine.predictions, peer.predictions)
    ]
    for left, right in zip(*both, strict=True):
        real = left != -100
        # A bias that shifts all logits of a softmax has no gradient but noise, which Adam scales up.
        np.testing.assert_allclose(left[real], right[real], atol=2e-3)
        assert real.mean() > 0.4


def test_causal_losses_are_those_of_the_model_where_theirs_are_not(tmp_path: Path) -> None:
    config = {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}
    rows = data(lambda row, _: row, of_answers=False)
    net = model("GPT2LMHeadModel", {**config, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0})
    batch = collate(rows)
    with torch.no_grad():
        loss = float(net.eval()(**batch).loss)
    found = []
    for library in (evenweave.training, transformers):
        args = library.TrainingArguments(
            str(tmp_path), use_cpu=True, per_device_eval_batch_size=24, disable_tqdm=True, report_to="none"
        )
        trainer = library.Trainer(model=net, args=args, eval_dataset=rows, data_collator=collate)
        found.append(trainer.evaluate()["eval_loss"])
    assert found[0] == pytest.approx(loss, rel=1e-5)
    labels = batch["labels"] != -100
    # They divide by the first tokens too, which nothing predicts.
    assert found[1] == pytest.approx(loss * float(labels[:, 1:].sum() / labels.sum()), rel=1e-5)
