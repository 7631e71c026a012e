"""A YAML file, a JSON file, `--set` and Python give the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.tiny_corpus import write_corpus
from tests.helpers.tiny_tagger import save_tagger
from typer.testing import CliRunner

from evenweave.cli import app
from evenweave.training import train_tagger

SETTINGS: dict[str, Any] = {
    "learning_rate": 3e-3,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 8,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,  # an old name
    "class_weights": "balanced",
    "save_strategy": "no",
    "eval_strategy": "no",
    "logging_strategy": "steps",
    "logging_steps": 1,
    "use_cpu": True,
    "disable_tqdm": True,
    "seed": 7,
}
YAML = """
learning_rate: 3e-3
num_train_epochs: 2
per_device_train_batch_size: 8
lr_scheduler_type: cosine
warmup_ratio: 0.1
class_weights: balanced
save_strategy: no        # which YAML reads as false
eval_strategy: no
logging_strategy: steps
logging_steps: 1
use_cpu: true
disable_tqdm: true
seed: 7
"""


@pytest.mark.filterwarnings("ignore:warmup_ratio is now:FutureWarning")
def test_every_way_of_giving_settings_is_the_same_run(tmp_path: Path) -> None:
    data, model = write_corpus(tmp_path / "data"), save_tagger(tmp_path / "model")
    (tmp_path / "run.yaml").write_text(YAML)
    (tmp_path / "run.json").write_text(json.dumps(SETTINGS))
    pairs = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    ways = {
        "yaml": ["--config", str(tmp_path / "run.yaml")],
        "json": ["--config", str(tmp_path / "run.json")],
        "set": pairs,
        "set over a file": ["--config", str(tmp_path / "run.yaml"), "--set", "seed=7"],
    }
    run = train_tagger(data, model=str(model), output_dir=tmp_path / "python", **SETTINGS)
    expected = [entry["loss"] for entry in run.trainer.state.log_history if "loss" in entry]
    assert len(expected) == 12
    for name, options in ways.items():
        out = tmp_path / name
        command = ["train", str(data), "--output", str(out), "--model", str(model), "--no-report", *options]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (name, done.output, done.exception)
        state = json.loads((out / "trainer_state.json").read_text())
        assert [entry["loss"] for entry in state["log_history"] if "loss" in entry] == expected, name


def test_the_seed_also_draws_the_new_head(tmp_path: Path) -> None:
    data, model = write_corpus(tmp_path / "data"), save_tagger(tmp_path / "model", labels=["O", "B-X"])
    more = {**SETTINGS, "warmup_ratio": 0.0, "learning_rate": 0.0, "num_train_epochs": 1}
    more.pop("warmup_ratio")
    first = [
        train_tagger(
            data, model=str(model), output_dir=tmp_path / str(i), **{**more, "seed": seed}
        ).trainer.state.log_history[0]["loss"]
        for i, seed in enumerate([1, 1, 2])
    ]
    assert first[0] == first[1] != first[2]
