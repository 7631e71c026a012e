"""Arguments under the names people know."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import pytest

from evenweave.errors import ArgumentError
from evenweave.training.arguments import TrainingArguments
from evenweave.training.names import NO_MEANING, RENAMED

FIELDS = {field.name for field in dataclasses.fields(TrainingArguments)}


def test_the_tutorials_call_works_with_one_warning() -> None:
    with pytest.warns(FutureWarning, match="evaluation_strategy is now eval_strategy='epoch'") as caught:
        args = TrainingArguments(
            "dir",
            evaluation_strategy="epoch",
            save_strategy="epoch",
            learning_rate=2e-5,
            num_train_epochs=3,
            weight_decay=0.01,
            push_to_hub=True,
        )
    assert len(caught) == 1
    assert (args.eval_strategy, args.save_strategy, args.push_to_hub) == ("epoch", "epoch", True)


def test_old_names_lead_to_fields_and_idle_ones_say_why() -> None:
    assert set(RENAMED.values()) <= FIELDS
    assert not set(RENAMED) & FIELDS
    assert not set(NO_MEANING) & FIELDS


def test_defaults_are_those_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = {f.name: f for f in dataclasses.fields(transformers.Seq2SeqTrainingArguments)}
    ours_alone = {
        "padding_free",
        "max_tokens_per_batch",
        "class_weights",
        "on_nonfinite_loss",
        "logging_dir",
        "cuda_graphs",
    }
    different = {"output_dir", "optim_args"}  # theirs are None, "optimizer arguments as one string"
    for field in dataclasses.fields(TrainingArguments):
        if field.name in ours_alone | different:
            continue
        default = theirs[field.name].default
        value = getattr(TrainingArguments(), field.name)
        assert value == default or (not value and not default), field.name


def test_every_argument_of_transformers_is_taken_and_its_default_passes_in_silence() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = dataclasses.fields(transformers.Seq2SeqTrainingArguments)
    assert {f.name for f in theirs} <= FIELDS | set(RENAMED) | set(NO_MEANING)
    # True asks to hide NaN losses, which is refused even where it is their default.
    idle = [f for f in theirs if f.name in NO_MEANING and f.name != "logging_nan_inf_filter"]
    given = {f.name: f.default for f in idle if f.default is not dataclasses.MISSING}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TrainingArguments("dir", **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rat": 1e-5}, "did you mean 'learning_rate'"),
        ({"evaluation_strateg": "no"}, "did you mean 'evaluation_strategy'"),
        ({"fp16": True}, "bf16=True"),
        ({"deepspeed": "ds.json"}, "use fsdp"),
        ({"learning_rate": "fast"}, "learning_rate='fast'"),
        ({"num_train_epochs": 0}, "num_train_epochs=0"),
        ({"num_train_epochs": float("inf")}, "num_train_epochs=inf"),
        ({"lr_scheduler_typ": 1, "seed": 1}, "lr_scheduler_type"),
        ({"load_best_model_at_end": True, "eval_strategy": "epoch"}, "make them the same"),
        ({"zzz": 1}, "no such training argument"),
        ({"optim_args": "momentum"}, "give a mapping"),
        ({"lr_scheduler_kwargs": "{1"}, "no JSON"),
        ({"seed": 10**20}, "less than or equal to 18446744073709551615"),
        ({"data_seed": "x"}, "data_seed='x'"),
    ],
)
def test_a_bad_argument_is_one_line_with_the_remedy(given: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        TrainingArguments("dir", **given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_defaults_of_arguments_without_a_meaning_pass_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TrainingArguments("dir", fp16=False, deepspeed=None, local_rank=-1, save_safetensors=True)  # type: ignore[call-arg]


def test_given_under_both_names_is_refused() -> None:
    with pytest.raises(ArgumentError, match="given twice"):
        TrainingArguments("dir", eval_strategy="no", evaluation_strategy="epoch")  # type: ignore[call-arg]


def test_strings_of_the_command_line_are_read_as_numbers() -> None:
    args = TrainingArguments("dir", learning_rate="2e-5", seed="7")  # type: ignore[arg-type]
    assert (args.learning_rate, args.seed) == (2e-5, 7)


def test_mappings_are_taken_as_transformers_writes_them() -> None:
    args = TrainingArguments(
        "dir", optim_args="momentum=0.9, nesterov=True", lr_scheduler_kwargs='{"power": 2}'
    )  # type: ignore[arg-type]
    assert args.optim_args == {"momentum": 0.9, "nesterov": True}
    assert args.lr_scheduler_kwargs == {"power": 2}
    with pytest.warns(FutureWarning, match="adamw_torch") as caught:
        assert TrainingArguments("dir", optim="adamw_hf").optim == "adamw_torch"
    assert caught[0].filename == __file__


def test_enums_of_transformers_are_taken() -> None:
    utils = pytest.importorskip("transformers.trainer_utils")
    args = TrainingArguments(
        "dir", eval_strategy=utils.IntervalStrategy.EPOCH, lr_scheduler_type=utils.SchedulerType.COSINE
    )
    assert (args.eval_strategy, args.lr_scheduler_type) == ("epoch", "cosine")


def test_frozen_and_no_token_in_the_saved_settings(tmp_path) -> None:  # type: ignore[no-untyped-def]
    args = TrainingArguments("dir", hub_token="hf_secret")
    with pytest.raises(dataclasses.FrozenInstanceError):
        args.seed = 3  # type: ignore[misc]
    args.to_json(tmp_path / "args.json")
    assert "secret" not in (tmp_path / "args.json").read_text()
    assert json.loads((tmp_path / "args.json").read_text())["seed"] == 42
    assert dataclasses.replace(args, seed=3).seed == 3
    assert "secret" not in f"{args} {args!r}"


def test_a_directory_can_be_a_path() -> None:
    args = TrainingArguments(Path("runs/ner"), logging_dir=Path("logs"))
    assert (args.output_dir, args.logging_dir) == ("runs/ner", "logs")
