"""Where a run ends: early stopping and its resumption, data that runs dry, losses without a best."""

from __future__ import annotations

import importlib
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.unit.training.tiny import Pad, rows, tagger

from evenweave import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from evenweave.errors import ArgumentError, DataError
from evenweave.training.state import TrainerControl, TrainerState


def make(
    out: Path, *, patience: int | None = None, callbacks: list[Any] | None = None, **given: Any
) -> Trainer:
    data = given.pop("train_dataset", rows(24))
    args = TrainingArguments(str(out), **{"use_cpu": True, "disable_tqdm": True, **given})
    return Trainer(
        model=tagger(),
        args=args,
        train_dataset=data,
        eval_dataset=rows(8, seed=1),
        data_collator=Pad(),
        callbacks=callbacks if patience is None else [EarlyStoppingCallback(patience)],
    )


EPOCHS: dict[str, Any] = {
    "num_train_epochs": 9,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "learning_rate": 0.0,  # so that nothing ever improves
    "metric_for_best_model": "loss",
}


def test_a_run_that_early_stopping_ended_stays_ended(tmp_path: Path) -> None:
    stopped = make(tmp_path, patience=2, **EPOCHS)
    stopped.train()
    assert stopped.state.global_step == 9
    resumed = make(tmp_path, patience=2, **EPOCHS)
    assert resumed.train(resume_from_checkpoint=True).global_step == 9
    longer = make(tmp_path, patience=4, **EPOCHS)
    assert longer.train(resume_from_checkpoint=True).global_step == 15
    # The same Trainer, from the start: a run of its own.
    assert stopped.train().global_step == 9


@pytest.mark.parametrize("greater", [True, False])
def test_early_stopping_counts_as_transformers_does(tmp_path: Path, greater: bool) -> None:
    import transformers

    draw = torch.Generator().manual_seed(5)
    args = TrainingArguments(
        str(tmp_path), metric_for_best_model="x", greater_is_better=greater, eval_strategy="epoch"
    )
    args_theirs = SimpleNamespace(metric_for_best_model="x", greater_is_better=greater)
    for trial in range(200):
        patience, threshold = 1 + trial % 4, (0.0, 0.1, 0.3)[trial % 3]
        mine = EarlyStoppingCallback(patience, threshold)
        peer = transformers.EarlyStoppingCallback(patience, threshold)
        state = TrainerState()
        for value in torch.rand(8, generator=draw).tolist():
            controls = TrainerControl(), TrainerControl()
            mine.on_evaluate(args, state, controls[0], metrics={"eval_x": value})
            peer.on_evaluate(args_theirs, state, controls[1], {"eval_x": value})
            assert controls[0].should_training_stop == controls[1].should_training_stop
            best = state.best_metric
            if best is None or (value > best if greater else value < best):
                state.best_metric = value


def test_an_exhausted_generator_ends_the_run_and_keeps_the_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {"max_steps": 20, "eval_strategy": "steps", "eval_steps": 10}
    trainer = make(tmp_path, train_dataset=(row for row in rows(21)), **given)
    with caplog.at_level("WARNING", logger="evenweave"):
        assert trainer.train().global_step == 3
    assert "ran dry after 3 of 20 steps" in caplog.text
    assert (tmp_path / "checkpoint-3").is_dir()
    assert "eval_loss" in trainer.state.log_history[-2]


def test_a_stream_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train_dataset: gave no rows for a single step"):
        make(tmp_path, train_dataset=iter([]), max_steps=5).train()


def test_a_stream_that_begins_anew_is_passed_as_often_as_steps_ask(tmp_path: Path) -> None:
    class Again(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(rows(24))

    first = make(tmp_path, train_dataset=Again(), max_steps=6, save_steps=3)
    assert first.train().global_step == 6
    # The third step was a pass's last, which a stream does not know; nothing of that pass is left.
    resumed = make(tmp_path, train_dataset=Again(), max_steps=6, save_steps=3)
    assert resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3")).global_step == 6
    pairs = zip(first.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_nan_is_never_the_best(tmp_path: Path) -> None:
    values = iter([math.nan, 0.3, math.nan, 0.2])
    trainer = make(tmp_path, **{**EPOCHS, "num_train_epochs": 4, "metric_for_best_model": "x"})
    trainer.compute_metrics = lambda _: {"x": next(values)}
    trainer.train()
    assert trainer.state.best_metric == 0.3


class Listener(TrainerCallback):
    """Does what it is given at events, and keeps the steps of some."""

    def __init__(self, **does: Any) -> None:
        self.steps: dict[str, list[int]] = {}
        for event in ("on_log", "on_evaluate", "on_save", *does):
            setattr(self, event, partial(self._hear, event, does.get(event)))

    def _hear(self, event: str, does: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.steps.setdefault(event, []).append(state.global_step)
        if does is not None:
            does(control, more["model"])


def raises(*flags: str) -> Any:
    return lambda control, model: vars(control).update(dict.fromkeys(flags, True))


def test_a_flag_raised_by_its_own_event_is_not_acted_on_for_ever(tmp_path: Path) -> None:
    every = raises("should_log", "should_evaluate", "should_save")
    heard = Listener(on_log=every, on_evaluate=every, on_save=every)
    make(tmp_path, callbacks=[heard], max_steps=9, logging_steps=4, save_strategy="no").train()
    assert [heard.steps[name] for name in ("on_evaluate", "on_save")] == [[4, 8], [4, 8]]
    assert heard.steps["on_log"] == [4, 4, 8, 8, 9]  # with those of evaluations, and the summary


def test_no_loss_is_logged_of_no_step(tmp_path: Path) -> None:
    heard = Listener(on_epoch_end=raises("should_log"))
    trainer = make(tmp_path, callbacks=[heard], num_train_epochs=2, logging_steps=3)
    trainer.train()
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    assert [step for step, _ in losses] == [3, 6]
    assert all(loss > 0 for _, loss in losses)


def test_a_model_that_a_callback_left_in_eval_trains_on_with_dropout(tmp_path: Path) -> None:
    def run(name: str, **does: Any) -> list[torch.Tensor]:
        trainer = make(tmp_path / name, callbacks=[Listener(**does)], max_steps=6, save_strategy="no")
        trainer.model = tagger(dropout=0.5)
        trainer.train()
        return list(trainer.model.parameters())

    left, plain = run("left", on_step_end=lambda control, model: model.eval()), run("plain")
    assert all(torch.equal(one, other) for one, other in zip(left, plain, strict=True))


def test_the_evaluation_before_the_first_step_is_never_the_best(tmp_path: Path) -> None:
    values = iter([0.9, 0.2, 0.3])
    how: dict[str, Any] = {"num_train_epochs": 2, "metric_for_best_model": "x", "eval_on_start": True}
    trainer = make(tmp_path, **{**EPOCHS, **how, "load_best_model_at_end": True})
    trainer.compute_metrics = lambda _: {"x": next(values)}
    trainer.train()
    assert trainer.state.best_metric == 0.3
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-6"]


def test_a_step_without_a_valid_label_is_no_step_of_loss_zero(tmp_path: Path) -> None:
    data = [
        row if place % 2 else {**row, "labels": [-100] * len(row["labels"])}
        for place, row in enumerate(rows(8))
    ]
    given: dict[str, Any] = {"per_device_train_batch_size": 1, "max_steps": 8, "save_strategy": "no"}
    given |= {"learning_rate": 0.0, "train_sampling_strategy": "sequential", "logging_steps": 4}
    trainer = make(tmp_path, train_dataset=data, **given)
    loss = trainer.train().training_loss
    valid = make(tmp_path, train_dataset=data[1::2], **given).train().training_loss
    assert loss == pytest.approx(valid)


@pytest.mark.parametrize("module", ["evenweave.training", "transformers"])
def test_a_control_that_a_callback_returns_is_heeded(tmp_path: Path, module: str) -> None:
    kinds = importlib.import_module(module)

    class Stop(kinds.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            return kinds.TrainerControl(should_training_stop=state.global_step == 2)

    assert make(tmp_path, callbacks=[Stop()], max_steps=6, save_strategy="no").train().global_step == 2


def test_an_epoch_stop_asked_for_as_an_epoch_ends_is_not_the_next_ones(tmp_path: Path) -> None:
    heard = Listener(on_epoch_end=raises("should_epoch_stop"), on_evaluate=raises("should_epoch_stop"))
    given: dict[str, Any] = {"num_train_epochs": 2, "eval_strategy": "epoch", "save_strategy": "no"}
    assert make(tmp_path, callbacks=[heard], **given).train().global_step == 6


def test_an_evaluation_of_no_rows_is_no_evaluation(tmp_path: Path) -> None:
    trainer = make(tmp_path, max_steps=2, eval_strategy="steps", eval_steps=1)
    trainer.eval_dataset = iter(rows(4))
    with pytest.raises(DataError, match="evaluation data: gave no rows; an iterator is read once") as caught:
        trainer.train()
    assert "checkpoint-2, to resume from" in caught.value.__notes__[-1]


def test_a_stream_that_says_its_length_needs_no_max_steps(tmp_path: Path) -> None:
    class Sized(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(rows(20))

        def __len__(self) -> int:
            return 20

    trainer = make(tmp_path, train_dataset=Sized(), num_train_epochs=1.5, eval_strategy="epoch")
    assert trainer.train().global_step == 5
    assert [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry] == [3, 5]


def test_models_that_cannot_be_trained_as_they_are_are_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        meta = type(tagger())(tagger().config)
    compiled = tagger()
    compiled._orig_mod = tagger()
    for model, said in ((meta, "on the meta device"), (compiled, "torch_compile=True")):
        with pytest.raises(ArgumentError, match=f"model: .*{said}"):
            Trainer(model=model, args=TrainingArguments(str(tmp_path), use_cpu=True))


def test_the_log_history_is_no_callbacks_to_change(tmp_path: Path) -> None:
    import transformers

    trainer = make(tmp_path, callbacks=[transformers.PrinterCallback], max_steps=2, save_strategy="no")
    trainer.train()
    assert "total_flos" in trainer.state.log_history[-1]  # which that one takes out of what it prints
