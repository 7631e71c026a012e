"""Law: gradients and losses do not depend on how rows are batched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.training.tiny import Pad, rows, tagger

from evenweave.training import Trainer, TrainerCallback, TrainingArguments

# (rows of a micro-batch, micro-batches of a step): the same eight rows each time.
BATCHINGS = [(8, 1), (4, 2), (2, 4), (1, 8), (3, 3)]


class Catch(TrainerCallback):
    """Keeps the gradients of the first step."""

    def __init__(self) -> None:
        self.gradients: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        if not self.gradients:
            self.gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]


def _small(config_class: Any, **more: Any) -> Any:
    return config_class(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **more,
    )


def _classifier() -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(_small(BertConfig, num_labels=3))


def _masked() -> Any:
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(_small(BertConfig))


def _causal() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

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
    return GPT2LMHeadModel(config)


def _seq2seq() -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def _regression() -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(_small(BertConfig, num_labels=1))


def _question() -> Any:
    from transformers import BertConfig, BertForQuestionAnswering

    return BertForQuestionAnswering(_small(BertConfig))


def _one_label(values: list[Any], dtype: torch.dtype) -> Any:
    class Collate(Pad):
        def __call__(self, features: Any) -> dict[str, torch.Tensor]:
            batch = super().__call__(features)
            batch["labels"] = torch.tensor(
                [values[len(f["input_ids"]) % len(values)] for f in features], dtype=dtype
            )
            return batch

    return Collate()


class _Spans(Pad):
    """Pads every batch to one width: transformers' span heads put probability on padding too."""

    def __call__(self, features: Any) -> dict[str, torch.Tensor]:
        batch = super().__call__([*features, {"input_ids": [0] * 24, "labels": [0] * 24}])
        batch = {name: value[:-1] for name, value in batch.items()}
        del batch["labels"]
        batch["start_positions"] = torch.zeros(len(features), dtype=torch.long)
        batch["end_positions"] = torch.tensor([len(f["input_ids"]) - 1 for f in features])
        return batch


def _ids_as_labels() -> Any:
    class Collate(Pad):
        def __call__(self, features: Any) -> dict[str, torch.Tensor]:
            batch = super().__call__(features)
            batch["labels"] = torch.where(batch["labels"] == -100, -100, batch["input_ids"])
            return batch

    return Collate()


MODELS = {
    "token classification": (tagger, Pad()),
    "sequence classification": (_classifier, _one_label([0, 1, 2], torch.long)),
    "regression": (_regression, _one_label([0.5, 1.5], torch.float)),
    "masked": (_masked, _ids_as_labels()),
    "causal": (_causal, _ids_as_labels()),
    "sequence to sequence": (_seq2seq, _ids_as_labels()),
    "a head with its own loss": (_question, _Spans()),
}


def _first_step(model: Any, collator: Any, tmp_path: Path, size: int, accumulation: int, **more: Any) -> Any:
    catch = Catch()
    args = TrainingArguments(
        str(tmp_path),
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulation,
        max_grad_norm=0,
        max_steps=1,
        train_sampling_strategy="sequential",
        logging_steps=1,
        **more,
    )
    data = rows(8, seed=4)
    trainer = Trainer(model=model, args=args, train_dataset=data, data_collator=collator, callbacks=[catch])
    trainer.train()
    return catch.gradients, trainer.state.log_history[0]["loss"]


@pytest.mark.parametrize("name", MODELS)
def test_the_same_rows_give_the_same_gradients_in_any_batching(name: str, tmp_path: Path) -> None:
    make, collator = MODELS[name]
    torch.manual_seed(0)
    weights = make().state_dict()
    results = []
    for size, accumulation in BATCHINGS:
        model = make()
        model.load_state_dict(weights)
        results.append(_first_step(model, collator, tmp_path, size, accumulation))
    gradients, loss = results[0]
    assert gradients
    for other, other_loss in results[1:]:
        assert other_loss == pytest.approx(loss, abs=1e-6)
        for a, b in zip(gradients, other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


WEIGHTED = [
    {"label_smoothing_factor": 0.1},
    {"class_weights": "balanced"},
    {"class_weights": [1.0, 2.0, 3.0, 4.0, 5.0], "label_smoothing_factor": 0.2},
]


# Every kind of model, and the tagger with smoothing and class weights; name -> (model, collator, arguments).
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    **{name: (make, collator, {}) for name, (make, collator) in MODELS.items()},
    **{
        f"token classification, {', '.join(more)}, {place}": (tagger, Pad(), more)
        for place, more in enumerate(WEIGHTED)
    },
}


def first_step_of(name: str, tmp_path: Path, *, size: int, accumulation: int) -> Any:
    """Gradients and loss of the first step of a case, from the same weights each time."""
    make, collator, more = CASES[name]
    torch.manual_seed(0)
    return _first_step(make(), collator, tmp_path, size, accumulation, **more)


@pytest.mark.parametrize("more", WEIGHTED)
def test_with_smoothing_and_class_weights_too(more: dict[str, Any], tmp_path: Path) -> None:
    results = []
    for size, accumulation in BATCHINGS:
        results.append(_first_step(tagger(), Pad(), tmp_path, size, accumulation, **more))
    for other, other_loss in results[1:]:
        assert other_loss == pytest.approx(results[0][1], abs=1e-6)
        for a, b in zip(results[0][0], other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["token classification", "masked", "causal", "sequence classification"])
def test_the_loss_is_the_one_of_transformers_head(name: str, tmp_path: Path) -> None:
    make, collator = MODELS[name]
    torch.manual_seed(0)
    model = make()
    batch = collator(rows(8, seed=4))
    expected = model(**batch).loss.item()
    assert _first_step(model, collator, tmp_path, 8, 1)[1] == pytest.approx(expected, abs=1e-5)
