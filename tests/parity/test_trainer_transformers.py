"""The Trainer beside transformers' Trainer: the same losses where theirs are right."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.training.tiny import Pad, rows, tagger

import evenweave.training
from evenweave.training import Trainer, TrainingArguments
from evenweave.training.optim import parameter_groups

COMMON: dict[str, Any] = {
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "warmup_steps": 20,
    "lr_scheduler_type": "cosine",
    "per_device_train_batch_size": 8,
    "max_steps": 200,
    "logging_steps": 1,
    "save_strategy": "no",
    "use_cpu": True,
    "disable_tqdm": True,
    "seed": 3,
}


def _theirs(tmp_path: Path, data: Any, **more: Any) -> list[float]:
    import transformers

    args = transformers.TrainingArguments(
        str(tmp_path / "theirs"), train_sampling_strategy="sequential", report_to="none", **{**COMMON, **more}
    )
    trainer = transformers.Trainer(model=tagger(), args=args, train_dataset=data, data_collator=Pad())
    trainer.remove_callback(transformers.PrinterCallback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def _ours(tmp_path: Path, data: Any, **more: Any) -> list[float]:
    args = TrainingArguments(
        str(tmp_path / "ours"), train_sampling_strategy="sequential", **{**COMMON, **more}
    )
    trainer = Trainer(model=tagger(), args=args, train_dataset=data, data_collator=Pad())
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_two_hundred_steps_give_the_same_losses(tmp_path: Path) -> None:
    data = rows(160, seed=5)
    ours, theirs = _ours(tmp_path, data), _theirs(tmp_path, data)
    assert len(ours) == len(theirs) == 200
    # They round what they log to four significant figures or so; ours are exact.
    assert ours == pytest.approx(theirs, abs=1e-4, rel=1e-3)
    assert ours[-1] < ours[0] / 2


@pytest.mark.parametrize(
    ("optim", "optim_args"),
    [
        ("adamw_torch", None),
        ("adafactor", None),
        ("sgd", "momentum=0.9, nesterov=true"),
        ("adagrad", "eps=1e-8"),
        ("rmsprop", "alpha=0.9,centered=yes"),
    ],
)
def test_optimizers_are_those_of_the_same_name(tmp_path: Path, optim: str, optim_args: str | None) -> None:
    data = rows(160, seed=5)
    given: dict[str, Any] = {"optim": optim, "optim_args": optim_args, "max_steps": 60, "weight_decay": 0.1}
    ours, theirs = _ours(tmp_path, data, **given), _theirs(tmp_path, data, **given)
    assert ours == pytest.approx(theirs, abs=1e-4, rel=1e-3)


def test_accumulation_leaves_ours_unchanged_and_theirs_not(tmp_path: Path) -> None:
    data = rows(160, seed=5)
    split: dict[str, Any] = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
        "max_steps": 20,
    }
    whole: dict[str, Any] = {"max_steps": 20}
    ours_whole, ours_split = _ours(tmp_path, data, **whole), _ours(tmp_path, data, **split)
    assert ours_split == pytest.approx(ours_whole, abs=1e-4)
    theirs_split = _theirs(tmp_path, data, **split)
    assert theirs_split[0] > 2 * ours_split[0]  # they neither scale nor divide


def test_weight_decay_spares_the_same_parameters() -> None:
    import transformers

    model = tagger()
    theirs = transformers.Trainer(
        model=model, args=transformers.TrainingArguments(report_to="none", use_cpu=True)
    ).get_decay_parameter_names(model)
    ours = {id(p) for p in parameter_groups(model, 0.1)[0]["params"]}
    assert {name for name, p in model.named_parameters() if id(p) in ours} == set(theirs)


def test_a_callback_of_transformers_works_here(tmp_path: Path) -> None:
    import transformers

    args = TrainingArguments(
        str(tmp_path),
        use_cpu=True,
        disable_tqdm=True,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        num_train_epochs=30,
        learning_rate=1.0,
    )
    stop = transformers.EarlyStoppingCallback(early_stopping_patience=1)
    data = rows(16)
    torch.manual_seed(0)
    trainer = Trainer(
        model=tagger(),
        args=args,
        train_dataset=data,
        eval_dataset=data,
        data_collator=Pad(),
        callbacks=[stop],
    )
    trainer.train()
    assert trainer.state.epoch < 30


@pytest.mark.parametrize(
    "when",
    [
        {"eval_strategy": "epoch", "logging_steps": 1, "save_strategy": "epoch", "num_train_epochs": 2},
        {"eval_strategy": "steps", "eval_steps": 2, "logging_steps": 3, "max_steps": 7, "max_grad_norm": 0.0},
        {"logging_strategy": "epoch", "gradient_accumulation_steps": 2, "num_train_epochs": 2},
        {"logging_strategy": "no", "logging_first_step": True, "max_steps": 3, "eval_strategy": "steps",
         "eval_delay": 4},
        {"eval_on_start": True, "eval_strategy": "epoch", "eval_delay": 1.5, "num_train_epochs": 2},
    ],
)  # fmt: skip
def test_events_and_logs_come_as_theirs(tmp_path: Path, when: dict[str, Any]) -> None:
    import transformers

    def listener(base: type, heard: list[Any]) -> Any:
        def hear(event: str) -> Any:
            def handler(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
                logs = set(more.get("logs") or ()) - {"step"}
                speed = {
                    name for name in logs if name.endswith(("_runtime", "_per_second", "_preparation_time"))
                }
                heard.append((event, state.global_step, round(state.epoch, 6), sorted(logs - speed - SPEED)))

            return handler

        events = [name for name in dir(transformers.TrainerCallback) if name.startswith("on_")]
        return type("Listener", (base,), {event: hear(event) for event in events})()

    given = {**COMMON, "max_steps": -1, "train_sampling_strategy": "sequential", **when}
    both = []
    for module, more in ((evenweave.training, {}), (transformers, {"report_to": "none"})):
        heard: list[Any] = []
        trainer = module.Trainer(
            model=tagger(),
            args=module.TrainingArguments(str(tmp_path / module.__name__), **{**given, **more}),
            train_dataset=rows(32),
            eval_dataset=rows(5),
            data_collator=Pad(),
            callbacks=[listener(module.TrainerCallback, heard)],
            compute_metrics=lambda _: {"x": 1.0},
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.train()
        both.append((heard, trainer.state))
    (heard, state), (expected, peer) = both
    assert [event for event in heard if event[0] != "on_prediction_step"] == [
        event for event in expected if event[0] != "on_prediction_step"
    ]
    assert state.num_train_epochs == peer.num_train_epochs
    # With accumulation their gradients are a multiple of the mean's.
    for name in (
        ("learning_rate",) if "gradient_accumulation_steps" in when else ("learning_rate", "grad_norm")
    ):
        logged = [[entry[name] for entry in s.log_history if name in entry] for s in (state, peer)]
        assert logged[0] == pytest.approx(logged[1], rel=1e-3)


SPEED = {"total_flos", "num_input_tokens_seen", "train_loss"}
