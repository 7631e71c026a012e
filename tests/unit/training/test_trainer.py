"""The Trainer as people use it, on tiny models."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.training.tiny import NAMES, Pad, rows, tagger

from evenweave import default_data_collator
from evenweave.errors import ArgumentError, CheckpointError, DataError, TrainingError
from evenweave.metrics.registry import load
from evenweave.training import (
    EarlyStoppingCallback,
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

QUIET = {"use_cpu": True, "disable_tqdm": True, "save_strategy": "no"}


def make(tmp_path: Path, model: Any = None, *, train: Any = None, **given: Any) -> Trainer:
    surface = {k: given.pop(k) for k in ("compute_metrics", "callbacks", "data_collator") if k in given}
    surface = {"data_collator": Pad(), **surface}
    args = TrainingArguments(str(tmp_path / "out"), **{**QUIET, **given})
    return Trainer(
        model=model or tagger(),
        args=args,
        train_dataset=rows(40) if train is None else train,
        eval_dataset=rows(12, seed=1),
        **surface,
    )


def test_train_returns_what_transformers_returns(tmp_path: Path) -> None:
    trainer = make(
        tmp_path, num_train_epochs=2, eval_strategy="epoch", logging_strategy="epoch", learning_rate=1e-2
    )
    output = trainer.train()
    assert output.global_step == 10
    assert {
        "train_runtime",
        "train_samples_per_second",
        "train_steps_per_second",
        "total_flos",
        "train_loss",
    } <= set(output.metrics)
    assert output.metrics["epoch"] == 2.0
    evaluations = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert [entry["epoch"] for entry in evaluations] == [1.0, 2.0]
    assert {"eval_precision", "eval_recall", "eval_f1", "eval_accuracy"} <= set(evaluations[0])
    assert evaluations[1]["eval_loss"] < evaluations[0]["eval_loss"]


def test_a_row_of_the_table_per_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, num_train_epochs=2, eval_strategy="epoch").train()
    lines = capsys.readouterr().err.splitlines()
    head = next(i for i, line in enumerate(lines) if "Training Loss" in line)
    assert lines[head].split("  ")[0:1] != ["-"]
    for word in ("Epoch", "Training Loss", "Validation Loss", "Precision", "Recall", "F1", "Accuracy"):
        assert word in lines[head]
    assert [line.split()[0] for line in lines[head + 1 : head + 3]] == ["1", "2"]


def test_the_evaluation_loss_does_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    losses = [
        make(tmp_path, per_device_eval_batch_size=size).evaluate()["eval_loss"] for size in (1, 5, 12, 100)
    ]
    assert losses == pytest.approx([losses[0]] * 4, abs=1e-6)


def test_an_evaluation_of_flat_batches_goes_by_tokens_and_that_of_padded_ones_by_rows(tmp_path: Path) -> None:
    data = rows(600, seed=1)
    longest, tokens = (f(len(row["input_ids"]) for row in data) for f in (max, sum))

    def batches(size: int, *, flat: bool) -> tuple[int, float]:
        seen: list[int] = []

        class Count(TrainerCallback):
            def on_prediction_step(self, *_: Any, **__: Any) -> None:
                seen.append(1)

        trainer = make(tmp_path, padding_free=flat, per_device_eval_batch_size=size, callbacks=[Count()])
        loss = trainer.evaluate(data)["eval_loss"]
        return len(seen), loss

    found = {(size, flat): batches(size, flat=flat) for size in (2, 150) for flat in (True, False)}
    assert found[2, False][0] == 300
    assert found[150, False][0] == 4
    # A few rows are as many tokens as a CPU takes to be busy; more are what so many of the longest would be.
    assert tokens / 2048 <= found[2, True][0] < 1.3 * tokens / 2048 + 1
    assert 2048 < 150 * longest < 4096
    assert tokens / (150 * longest) <= found[150, True][0] < 4
    assert [loss for _, loss in found.values()] == pytest.approx([found[2, True][1]] * 4, abs=1e-6)


def test_compute_metrics_in_its_known_form_sees_rows_in_order(tmp_path: Path) -> None:
    seen: list[EvalPrediction] = []

    def compute(eval_preds: Any) -> dict[str, float]:
        logits, labels = eval_preds
        seen.append(eval_preds)
        valid = labels != -100
        return {"agree": float((logits.argmax(-1)[valid] == labels[valid]).mean())}

    trainer = make(tmp_path, compute_metrics=compute, per_device_eval_batch_size=5)
    metrics = trainer.evaluate()
    assert 0 <= metrics["eval_agree"] <= 1
    logits, labels = seen[0]
    data = rows(12, seed=1)
    width = max(len(row["labels"]) for row in data)
    assert (logits.shape, labels.shape) == ((12, width, len(NAMES)), (12, width))
    for row, truth in zip(labels, data, strict=True):
        assert row[: len(truth["labels"])].tolist() == truth["labels"]
        assert (row[len(truth["labels"]) :] == -100).all()


def test_a_metric_is_fed_batch_by_batch(tmp_path: Path) -> None:
    trainer = make(tmp_path, compute_metrics=load("seqeval", label_names=NAMES))
    assert trainer.evaluate()["eval_f1"] == make(tmp_path).evaluate()["eval_f1"]


def test_predict_gives_arrays_in_the_order_of_the_rows(tmp_path: Path) -> None:
    trainer, data = make(tmp_path), rows(9, seed=2)
    predictions, labels, metrics = trainer.predict(data)
    assert metrics is not None
    assert "test_f1" in metrics
    assert labels is not None
    one = trainer.model.eval()(input_ids=torch.tensor([data[4]["input_ids"]])).logits[0].detach().numpy()
    np.testing.assert_allclose(predictions[4, : len(one)], one, atol=1e-5)
    assert labels[4, : len(one)].tolist() == data[4]["labels"]


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    trainer = make(
        tmp_path,
        num_train_epochs=4,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        learning_rate=0.5,
    )
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), abs=1e-6)
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    best = Path(str(trainer.state.best_model_checkpoint)).name
    assert set(kept) == {best, "checkpoint-20"}


def test_the_files_of_a_checkpoint_are_the_documented_ones(tmp_path: Path) -> None:
    make(tmp_path, save_strategy="epoch", num_train_epochs=1).train()
    files = {path.name for path in (tmp_path / "out" / "checkpoint-5").iterdir()}
    assert files == {
        "config.json",
        "model.safetensors",
        "training_args.json",
        "trainer_state.json",
        "optimizer.safetensors",
        "optimizer.json",
        "run_state.json",
        "rng-0.safetensors",
        "rng-0.json",
        "manifest.json",
    }


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("at", [3, 5, 8])
def test_resumed_training_ends_in_the_same_bytes(tmp_path: Path, at: int, dropout: float) -> None:
    def run(folder: Path, **given: Any) -> Trainer:
        return make(
            folder,
            tagger(dropout=dropout),
            num_train_epochs=2,
            save_strategy="steps",
            save_steps=1,
            eval_strategy="epoch",
            lr_scheduler_type="cosine",
            warmup_steps=3,
            **given,
        )

    whole = run(tmp_path / "a")
    whole.train()

    class StopAt(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= at

    run(tmp_path / "b", callbacks=[StopAt()]).train()
    for extra in (tmp_path / "b" / "out").glob("checkpoint-*"):
        if int(extra.name.split("-")[1]) > at:
            raise AssertionError("went on after it was stopped")
    resumed = run(tmp_path / "b")
    resumed.train(resume_from_checkpoint=True)
    for name in ("model.safetensors", "optimizer.safetensors"):
        both = [(tmp_path / side / "out" / "checkpoint-10" / name).read_bytes() for side in "ab"]
        assert both[0] == both[1]
    losses = [[e["loss"] for e in t.state.log_history if "loss" in e] for t in (whole, resumed)]
    assert losses[0] == losses[1]


def test_resuming_a_checkpoint_without_optimizer_says_so(tmp_path: Path) -> None:
    make(tmp_path, save_strategy="epoch", save_only_model=True, num_train_epochs=1).train()
    with pytest.raises(CheckpointError, match="save_only_model"):
        make(tmp_path).train(resume_from_checkpoint=True)


def test_a_nonfinite_loss_stops_with_step_and_rows(tmp_path: Path) -> None:
    class Poison(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
            if state.global_step == 2:
                model.classifier.bias.data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"loss is nan at step 3, rows \d+(, \d+){7}"):
        make(tmp_path, callbacks=[Poison()]).train()
    skipping = make(tmp_path, callbacks=[Poison()], on_nonfinite_loss="skip", num_train_epochs=1)
    skipping.train()
    assert skipping.state.skipped_steps == 3


def test_early_stopping(tmp_path: Path) -> None:
    trainer = make(
        tmp_path,
        num_train_epochs=50,
        eval_strategy="epoch",
        metric_for_best_model="f1",
        learning_rate=0.0,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
    )
    trainer.train()
    assert trainer.state.epoch == 3.0


def test_callbacks_hear_every_event_in_order(tmp_path: Path) -> None:
    heard: list[str] = []

    class Listen(TrainerCallback):
        def __getattr__(self, name: str) -> Any:
            if not name.startswith("on_"):
                raise AttributeError(name)
            return lambda *_, **__: heard.append(name)

    make(
        tmp_path,
        num_train_epochs=1,
        gradient_accumulation_steps=2,
        eval_strategy="epoch",
        padding_free=False,  # flat batches of an evaluation have as many rows as fit
        callbacks=[Listen()],
    ).train()
    step = ["on_step_begin", "on_substep_end", "on_pre_optimizer_step", "on_optimizer_step", "on_step_end"]
    last = [name for name in step if name != "on_substep_end"]
    assert heard == [
        "on_init_end",
        "on_train_begin",
        "on_epoch_begin",
        *step,
        *step,
        *last,
        "on_epoch_end",
        "on_prediction_step",
        "on_prediction_step",
        "on_log",
        "on_evaluate",
        "on_log",
        "on_train_end",
    ]


def test_any_module_with_logits_trains(tmp_path: Path) -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = torch.nn.Embedding(50, 8), torch.nn.Linear(8, 5)

        def forward(self, input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.head(self.embed(input_ids))}

    class Bare(Pad):
        def __call__(self, features: Any) -> dict[str, torch.Tensor]:
            return {k: v for k, v in super().__call__(features).items() if k != "attention_mask"}

    trainer = make(
        tmp_path, Plain(), data_collator=Bare(), num_train_epochs=3, learning_rate=0.1, save_strategy="epoch"
    )
    assert trainer.train().training_loss < 1.6
    trainer.save_model()
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_iterable_data_needs_max_steps_and_trains(tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter(rows(20))

    with pytest.raises(ArgumentError, match="max_steps"):
        make(tmp_path, train=Stream()).train()
    assert make(tmp_path, train=Stream(), max_steps=7).train().global_step == 7


def test_data_loading_workers_change_nothing(tmp_path: Path) -> None:
    finals = []
    for workers in (0, 2):
        trainer = make(tmp_path, tagger(dropout=0.2), num_train_epochs=1, dataloader_num_workers=workers)
        finals.append(trainer.train().training_loss)
    assert finals[0] == finals[1]


def test_dropped_columns_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = [{**row, "id": str(i), "note": "x"} for i, row in enumerate(rows(16))]
    with caplog.at_level(logging.INFO, logger="evenweave"):
        make(tmp_path, train=data, num_train_epochs=1).train()
    assert "columns the model does not take are left out: id, note" in caplog.text
    for word in ("model", "device", "data", "batches", "optimizer"):
        assert any(record.message.startswith(word) for record in caplog.records)


@pytest.mark.parametrize("kind", [torch.utils.data.IterableDataset, torch.utils.data.Dataset])
def test_columns_of_rows_read_one_by_one_are_dropped_for_a_known_collator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    ids = [[5 + row, 6, 7] for row in range(8)]
    data = [
        {"input_ids": row, "labels": [0, 1, 0], "spans": row[: 1 + row[0] % 2], "text": "x"} for row in ids
    ]

    class Rows(kind):  # type: ignore[misc]
        def __iter__(self) -> Any:
            return iter(data)

        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, index: int) -> Any:
            return data[index]

    given: dict[str, Any] = {"train": Rows(), "max_steps": 2, "data_collator": default_data_collator}
    with caplog.at_level(logging.INFO, logger="evenweave"):
        trainer = make(tmp_path, **given)
        trainer.train()
        trainer.evaluate(Rows())
    assert caplog.text.count("columns the model does not take are left out: spans, text") == 2
    seen: list[Any] = []
    given["data_collator"] = lambda rows: (
        seen.append(sorted(rows[0])),
        default_data_collator(trimmed(rows)),
    )[1]
    make(tmp_path, **given).train()  # a collator of one's own is given all there is
    assert seen[0] == ["input_ids", "labels", "spans", "text"]


def trimmed(rows: Any) -> list[Any]:
    return [{name: row[name] for name in ("input_ids", "labels")} for row in rows]


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        make(tmp_path, train=torch.utils.data.TensorDataset(torch.empty(0, 3))).train()
    with pytest.raises(ArgumentError, match="either a model or model_init"):
        Trainer()
    with pytest.raises(ArgumentError, match="train_dataset: none given"):
        Trainer(model=tagger(), args=TrainingArguments(str(tmp_path), use_cpu=True)).train()
    with pytest.raises(ArgumentError, match="class_weights: 2 weights for 5 classes"):
        make(tmp_path, class_weights=[1.0, 2.0]).train()
    with pytest.raises(ArgumentError, match="optim='adam'"):
        make(tmp_path, optim="adam").train()
    with pytest.raises(ArgumentError, match="lr_scheduler_type='linea'"):
        make(tmp_path, lr_scheduler_type="linea").train()
    with pytest.raises(
        ArgumentError, match="optim_args: 'foo' is not among what sgd takes there: momentum, "
    ):
        make(tmp_path, optim="sgd", optim_args={"foo": 1}).train()
    with pytest.raises(ArgumentError, match="'lr' is not among what adafactor takes"):
        make(tmp_path, optim="adafactor", optim_args={"lr": 1}).train()
    with pytest.raises(ArgumentError, match=r"optim='sgd', optim_args=\{'momentum': -1\}: Invalid momentum"):
        make(tmp_path, optim="sgd", optim_args={"momentum": -1}).train()
    with pytest.raises(
        ArgumentError, match="lr_scheduler_kwargs: 'foo' is not among what linear takes there: nothing"
    ):
        make(tmp_path, lr_scheduler_kwargs={"foo": 1}).train()
    with pytest.raises(ArgumentError, match="could not convert string to float: 'x'"):
        make(tmp_path, lr_scheduler_type="cosine", lr_scheduler_kwargs={"num_cycles": "x"}).train()
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        make(tmp_path).train(resume_from_checkpoint=True)
    with pytest.raises(DataError, match="takes none of its columns"):
        make(tmp_path, train=[{"text": "x"}] * 4).train()


@pytest.mark.parametrize(
    "given", [{"eval_strategy": "epoch"}, {"eval_strategy": "steps"}, {"eval_on_start": True}]
)
def test_evaluation_without_a_set_for_it_is_refused_before_the_first_step(tmp_path: Path, given: Any) -> None:
    trainer = make(tmp_path, **given)
    trainer.eval_dataset = None
    with pytest.raises(ArgumentError, match="there is no eval_dataset; give one"):
        trainer.train()
    assert trainer.state.global_step == 0
    assert "eval_loss" in trainer.evaluate(rows(4))


@pytest.mark.parametrize("callbacks", [[], [EarlyStoppingCallback()]])
def test_a_best_metric_that_there_is_not_costs_no_step(tmp_path: Path, callbacks: list[Any]) -> None:
    given: dict[str, Any] = {"save_strategy": "epoch", "eval_strategy": "epoch", "num_train_epochs": 2}
    trainer = make(tmp_path, metric_for_best_model="f2", callbacks=callbacks, **given)
    with pytest.raises(ArgumentError, match=r"eval_f1.* the run so far is in .*checkpoint-5, to resume from"):
        trainer.train()
    again = make(tmp_path, metric_for_best_model="f1", **given)
    assert again.train(resume_from_checkpoint=True).global_step == 10
    assert trainer.state.global_step == 5


def test_model_init_makes_the_same_run_twice(tmp_path: Path) -> None:
    args = TrainingArguments(str(tmp_path), num_train_epochs=1, **QUIET)
    losses = [
        Trainer(model_init=tagger, args=args, train_dataset=rows(24), data_collator=Pad())
        .train()
        .training_loss
        for _ in range(2)
    ]
    assert losses[0] == losses[1]


def test_state_and_metrics_are_saved_as_json(tmp_path: Path) -> None:
    trainer = make(tmp_path, num_train_epochs=1)
    output = trainer.train()
    trainer.save_state()
    trainer.save_metrics("train", output.metrics)
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    assert state["global_step"] == 5
    assert json.loads((tmp_path / "out" / "train_results.json").read_text()) == output.metrics
    trainer.save_metrics("eval", {"eval_f1": 0.5})
    trainer.save_metrics("test", {"test_f1": 0.25}, combined=False)
    everything = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert everything == {**output.metrics, "eval_f1": 0.5}
    assert {f.name for f in dataclasses.fields(trainer.state)} == set(state)
