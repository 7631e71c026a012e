"""`--config` and `--set`: what becomes of names and values."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenweave.cli.settings import read_settings
from evenweave.errors import ArgumentError, DataError
from evenweave.training.arguments import TrainingArguments
from evenweave.training.recipe import arguments_for


def test_the_settings_a_checkpoint_holds_are_a_config(tmp_path: Path) -> None:
    TrainingArguments("elsewhere", learning_rate=3e-4, optim_args={"eps": 1e-9}).to_json(tmp_path / "a.json")
    args = arguments_for("here", read_settings(tmp_path / "a.json", ["seed=7", "optim_args={eps: 1e-7}"]))
    assert (args.output_dir, args.learning_rate, args.seed) == ("here", 3e-4, 7)
    assert args.optim_args == {"eps": 1e-7}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("output_dir=x", "--set output_dir: no training argument; evenweave train takes --output"),
        ("model=x", "evenweave train takes --model"),
        ("data=x", "evenweave train takes it as its argument"),
        ("resume=1", "evenweave train takes --resume"),
        ("max_length=12", "evenweave train takes --max-length"),
        ("label_column=x", "evenweave train takes --label-column"),
        ("callbacks=[x]", "train_tagger in Python takes them"),
        ("seed=2024-99-99", "--set seed=2024-99-99: the value cannot be read"),
        ("seed", "give key=value"),
    ],
)
def test_what_no_setting_can_say_is_one_line_with_the_way(pair: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_settings(None, [pair])


def test_a_config_of_another_form_is_one_line(tmp_path: Path) -> None:
    for content, error, message in (
        (b"model: x", ArgumentError, "c.yaml: model: no training argument"),
        (b"seed: 2024-99-99", DataError, "c.yaml: cannot be read"),
        (b"\xff\xfe\x00", DataError, "c.yaml: cannot be read"),
        (b"- 1", DataError, "holds no mapping"),
    ):
        (tmp_path / "c.yaml").write_bytes(content)
        with pytest.raises(error, match=message):
            read_settings(tmp_path / "c.yaml", [])
