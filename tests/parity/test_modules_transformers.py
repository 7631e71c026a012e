"""Modules of users' own, beside transformers' Trainer: the loss trained with is the one they return."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.unit.training.tiny import Pad, rows, tagger
from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput, TokenClassifierOutput

import evenweave.training
from evenweave.errors import DataError
from evenweave.training import Trainer
from evenweave.training.loss import kind_of


@dataclasses.dataclass
class Scored(ModelOutput):  # type: ignore[misc]
    loss: Tensor | None = None
    scores: Tensor | None = None


class Own(nn.Module):
    """A table and a head, whose loss is thrice a smoothed cross entropy; `give` makes what it returns."""

    def __init__(self, give: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head, self.give = nn.Embedding(50, 8), nn.Linear(8, 5), give

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> Any:
        logits = self.head(self.embed(input_ids))
        loss = None
        if labels is not None:
            loss = 3 * nn.functional.cross_entropy(logits.view(-1, 5), labels.view(-1), label_smoothing=0.2)
        return self.give(loss, logits)


class Weighted(transformers.BertForTokenClassification):  # type: ignore[misc]
    """A subclass with a loss of its own; its name says token classification all the same."""

    def forward(self, input_ids: Any, attention_mask: Any = None, labels: Any = None, **more: Any) -> Any:
        outputs = super().forward(input_ids, attention_mask=attention_mask, **more)
        if labels is None:
            return (outputs.logits,)
        weight = torch.tensor([0.1, 1, 1, 1, 1])
        loss = nn.functional.cross_entropy(outputs.logits.view(-1, 5), labels.view(-1), weight=weight)
        return loss, outputs.logits


WeightedForTokenClassification = type("WeightedForTokenClassification", (Weighted,), {})


def weighted() -> Any:
    plain = tagger()
    model = WeightedForTokenClassification(plain.config)
    model.load_state_dict(plain.state_dict())
    return model


def both(tmp_path: Path, model: Any) -> list[tuple[list[float], Any]]:
    data = [row for row in rows(40) if any(label >= 0 for label in row["labels"])][:24]
    given: dict[str, Any] = {"max_steps": 6, "logging_steps": 1, "learning_rate": 1e-2, "use_cpu": True}
    given |= {"save_strategy": "no", "disable_tqdm": True, "train_sampling_strategy": "sequential"}
    found = []
    for module, more in ((evenweave.training, {}), (transformers, {"report_to": "none"})):
        args = module.TrainingArguments(str(tmp_path), **given, **more)
        trainer: Any = module.Trainer(model=model(), args=args, train_dataset=data, data_collator=Pad())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.train()
            predicted = trainer.predict(data[:8])
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        found.append(([*losses, predicted.metrics["test_loss"]], predicted.predictions))
    return found


@pytest.mark.parametrize(
    "model",
    [
        lambda: Own(lambda loss, logits: {"loss": loss, "logits": logits}),
        lambda: Own(lambda loss, logits: (loss, logits)),
        lambda: Own(lambda loss, logits: (loss, logits, logits[:, 0])),
        lambda: Own(lambda loss, logits: TokenClassifierOutput(loss=loss, logits=logits)),
        lambda: Own(lambda loss, logits: Scored(loss=loss, scores=logits)),
        lambda: Own(lambda loss, logits: {"loss": loss}),
        weighted,
    ],
)
def test_a_loss_that_a_model_returns_is_the_one_trained_with(tmp_path: Path, model: Any) -> None:
    (losses, logits), (expected, peer) = both(tmp_path, model)
    assert losses == pytest.approx(expected, rel=2e-3)
    peer = None if isinstance(peer, tuple) and not peer else peer
    arrays, peers = [part if isinstance(part, tuple) else (part,) for part in (logits, peer)]
    assert len(arrays) == len(peers)
    for array, other in zip(arrays, peers, strict=True):
        if other is None:
            assert array is None
        else:
            assert (array.shape, array.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(array[:, 0], other[:, 0], atol=1e-4)


def test_outputs_named_are_left_out_and_stand_where_they_do_there(tmp_path: Path) -> None:
    model = Own(lambda loss, logits: {"loss": loss, "scores": logits, "hidden": logits[..., :2]})
    args = evenweave.training.TrainingArguments(str(tmp_path), use_cpu=True, disable_tqdm=True)
    trainer = Trainer(model=model, args=args, data_collator=Pad())
    assert len(trainer.predict(rows(4)).predictions) == 2
    found = trainer.predict(rows(4), ["hidden"], "other")
    assert found.predictions.shape[2:] == (5,)
    assert found.metrics is not None
    assert found.metrics["other_loss"] == trainer.evaluate(rows(4), ["hidden"], "third")["third_loss"]


def test_a_subclass_that_leaves_forward_alone_is_its_base_class() -> None:
    for name in ("Sub", "SubForTokenClassification"):
        assert (
            kind_of(type(name, (transformers.BertForTokenClassification,), {})(tagger().config)) == "tokens"
        )


@pytest.mark.parametrize("give", [lambda loss, logits: logits, lambda loss, logits: {"logits": logits}])
def test_a_module_that_is_given_labels_and_gives_no_loss_is_told(tmp_path: Path, give: Any) -> None:
    args = evenweave.training.TrainingArguments(str(tmp_path), use_cpu=True, disable_tqdm=True)
    trainer = Trainer(model=Own(give), args=args, train_dataset=rows(8), data_collator=Pad())
    with pytest.raises(DataError, match=r"no 'loss'.*let a model of your own return"):
        trainer.train()


def test_a_model_of_float64_is_computed_in_it(tmp_path: Path) -> None:
    args = evenweave.training.TrainingArguments(str(tmp_path), use_cpu=True, disable_tqdm=True)
    for padding_free in (True, False):
        args = dataclasses.replace(args, padding_free=padding_free)
        trainer = Trainer(model=tagger().double(), args=args, data_collator=Pad())
        assert trainer.predict(rows(8)).predictions.dtype == np.float64
