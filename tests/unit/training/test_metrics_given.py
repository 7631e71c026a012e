"""What users' functions give an evaluation: values of every kind, arrays of every shape, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.training.tiny import Pad, quiet, rows, tagger

from evenweave.errors import ArgumentError
from evenweave.training import Trainer

EVERY: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "max_steps": 4}


def make(folder: Path, metrics: Any = None, preprocess: Any = None, **given: Any) -> Trainer:
    data = given.pop("eval_dataset", rows(8))
    return Trainer(
        model=tagger(),
        args=quiet(folder, **{**EVERY, **given}),
        train_dataset=rows(16),
        eval_dataset=data,
        data_collator=Pad(),
        compute_metrics=metrics,
        preprocess_logits_for_metrics=preprocess,
    )


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (torch.tensor([0.5]), 0.5),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        ({"per": [np.float32(0.5)]}, {"per": [0.5]}),
        ({"B-PER"}, "{'B-PER'}"),
        (None, None),
    ],
)
def test_a_metric_of_any_kind_goes_into_a_checkpoint(tmp_path: Path, value: Any, kept: Any) -> None:
    given = iter([0.25, value])  # a number first, whose column the table keeps
    make(tmp_path, lambda _: {"x": next(given)}).train()
    state = json.loads((tmp_path / "checkpoint-4" / "trainer_state.json").read_text())
    assert [entry["eval_x"] for entry in state["log_history"] if "eval_x" in entry] == [0.25, kept]


@pytest.mark.parametrize("given", [None, 0.5, [("f1", 0.5)]])
def test_metrics_that_are_no_dict_are_refused_and_the_run_is_kept(tmp_path: Path, given: Any) -> None:
    with pytest.raises(ArgumentError, match=r"compute_metrics: gave .*; the run so far is in .*checkpoint-2"):
        make(tmp_path, lambda _: given).train()
    assert make(tmp_path).train(resume_from_checkpoint=True).global_step == 4


def test_an_error_of_the_users_function_costs_no_step(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        make(tmp_path, lambda _: 1 / 0).train()
    assert "checkpoint-2, to resume from" in caught.value.__notes__[-1]
    assert make(tmp_path).train(resume_from_checkpoint=True).global_step == 4


@pytest.mark.parametrize("value", ["good", None, [1.0, 2.0]])
def test_the_best_metric_must_be_a_number(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"metric_for_best_model: eval_x is .* a number is needed"):
        make(tmp_path, lambda _: {"x": value}, metric_for_best_model="x").train()


def test_a_schedule_that_goes_by_a_metric_needs_one(tmp_path: Path) -> None:
    plateau: dict[str, Any] = {"lr_scheduler_type": "reduce_lr_on_plateau"}
    with pytest.raises(ArgumentError, match="goes by a metric, and eval_strategy is 'no'"):
        make(tmp_path, eval_strategy="no", **plateau).train()
    several = {"a": rows(4), "b": rows(4)}
    with pytest.raises(ArgumentError, match=r"metric_for_best_model=None: not among .*eval_b_loss"):
        make(tmp_path, eval_dataset=several, **plateau).train()
    make(tmp_path, eval_dataset=several, metric_for_best_model="a_loss", **plateau).train()


@pytest.mark.parametrize(
    ("preprocess", "shapes"),
    [
        (lambda logits, labels: [logits, logits.argmax(-1)], [3, 2]),
        (lambda logits, labels: (logits.argmax(-1), (logits, logits)), [2, (3, 3)]),
        (lambda logits, labels: (logits.argmax(-1).numpy(), logits.numpy()), [2, 3]),
    ],
)
def test_logits_are_made_into_arrays_within_one_another(tmp_path: Path, preprocess: Any, shapes: Any) -> None:
    def sizes(part: Any) -> Any:
        return tuple(map(sizes, part)) if isinstance(part, tuple) else part.ndim

    trainer = make(tmp_path, preprocess=preprocess)
    assert list(map(sizes, trainer.predict(rows(8)).predictions)) == shapes


def test_logits_may_be_made_into_nothing(tmp_path: Path) -> None:
    found = make(tmp_path, lambda pair: {"x": pair[1].size}, preprocess=lambda logits, labels: None).predict(
        rows(8)
    )
    assert found.predictions is None
    assert found.label_ids is not None
    assert found.metrics is not None
    assert found.metrics["test_x"] == found.label_ids.size


@pytest.mark.parametrize(
    ("preprocess", "said"),
    [
        (lambda logits, labels: {"logits": logits}, "a dict"),
        (lambda logits, labels: logits.sum(), "one number for a batch"),
    ],
)
def test_logits_made_into_no_rows_are_refused(tmp_path: Path, preprocess: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=f"preprocess_logits_for_metrics: gave {said}; give tensors"):
        make(tmp_path, preprocess=preprocess).predict(rows(8))
